module healthcare-mlops/pause

go 1.22
