"""What the policy pack refuses before an update, tried at the API server as well."""
