"""Load on the running clinical path: constant rates, who asks whom, processor time by workload, audit records."""
