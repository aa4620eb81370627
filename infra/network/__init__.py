"""VPC: subnets, security groups, VPC endpoints and flow logs."""
