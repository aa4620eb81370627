"""Declare so many plain resources: what the engine, the language host and one plugin take without a program."""

import pulumi
from pulumi_aws import kms

for number in range(pulumi.Config().require_int("resources")):
    kms.Key(f"key-{number}", description="floor", enable_key_rotation=True)
