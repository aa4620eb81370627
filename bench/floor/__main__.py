"""Minimal Pulumi program of plain resources: the baseline time of engine, language host and one plugin."""

import asyncio
import gc

import pulumi
from pulumi_aws import kms

_AT_ONCE = 250
_TURNS = 10

# As in the project's own program: no garbage collection, and resources register while others are declared.
gc.disable()


async def declare() -> None:
    """Declare the resources one after the other."""
    for number in range(pulumi.Config().require_int("resources")):
        kms.Key(f"key-{number}", description="floor", enable_key_rotation=True)
        if number % _AT_ONCE == 0:
            for _ in range(_TURNS):
                await asyncio.sleep(0)


pulumi.run(declare)
