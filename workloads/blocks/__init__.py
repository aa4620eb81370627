"""Building blocks of workloads: pod specs, CronJobs, ServiceAccounts, release metadata."""
