"""Declare so many plain resources: what the engine, the language host and one plugin take without a program."""

import asyncio
import gc

import pulumi
from pulumi_aws import kms

_AT_ONCE = 250
_TURNS = 10

# As the project's own program does: nothing is collected, and resources register while others are declared.
gc.disable()


async def declare() -> None:
    """Declare one key after another."""
    for number in range(pulumi.Config().require_int("resources")):
        kms.Key(f"key-{number}", description="floor", enable_key_rotation=True)
        if number % _AT_ONCE == 0:
            for _ in range(_TURNS):
                await asyncio.sleep(0)


pulumi.run(declare)
