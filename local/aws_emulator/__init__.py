"""AWS API emulator: moto with signature verification, IAM evaluation and a journal that survives kill -9."""

import os

# Read by moto at import time, and any module of this package may import it.
os.environ["MOTO_ACCOUNT_ID"] = "123456789012"
os.environ["MOTO_DISABLE_GLOBAL_CORS"] = "true"
os.environ["MOTO_IAM_LOAD_MANAGED_POLICIES"] = "true"
os.environ["MOTO_S3_DEFAULT_KEY_BUFFER_SIZE"] = str(4 << 20)
