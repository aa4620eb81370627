"""AWS for a machine without AWS: moto behind real signatures, real IAM and a journal that survives kill -9."""

import os

# Read by moto when it is imported, which any module of this package may do.
os.environ["MOTO_ACCOUNT_ID"] = "123456789012"
os.environ["MOTO_DISABLE_GLOBAL_CORS"] = "true"
os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
os.environ["MOTO_S3_DEFAULT_KEY_BUFFER_SIZE"] = str(4 << 20)
