"""Sizes of containers: requests and limits of CPU and memory."""

from typing import Self

from pydantic import Field, model_validator

from infra.settings.fields import Mebibytes, Millicores, Section


class Amount(Section):
    """Amount of CPU and memory.

    Parameters
    ----------
    cpu, memory
        Millicores and MiB.
    """

    cpu: Millicores = Field(description="CPU of one container.")
    memory: Mebibytes = Field(description="Memory of one container.")

    @classmethod
    def of(cls, cpu: int, memory: int) -> "Amount":
        """Return an amount from millicores and MiB."""
        return cls.model_construct(cpu=cpu, memory=memory)

    def times(self, count: int) -> "Amount":
        """Return the amount for several containers."""
        return Amount.of(self.cpu * count, self.memory * count)

    def plus(self, other: "Amount") -> "Amount":
        """Return the sum."""
        return Amount.of(self.cpu + other.cpu, self.memory + other.memory)

    def maximum(self, other: "Amount") -> "Amount":
        """Return the larger CPU and the larger memory."""
        return Amount.of(max(self.cpu, other.cpu), max(self.memory, other.memory))

    @property
    def quantities(self) -> dict[str, str]:
        """The amount as Kubernetes writes it, in the canonical form of the API server."""
        cpu = f"{self.cpu}m" if self.cpu % 1000 else str(self.cpu // 1000)
        memory = f"{self.memory}Mi" if self.memory % 1024 else f"{self.memory // 1024}Gi"
        return {"cpu": cpu, "memory": memory}


class Resources(Section):
    """Requests and limits of a container."""

    requests: Amount = Field(description="What the scheduler reserves for the container.")
    limits: Amount = Field(description="The most that the container gets.")

    @model_validator(mode="after")
    def _within_limits(self) -> Self:
        requests, limits = self.requests.quantities, self.limits.quantities
        if self.requests.cpu > self.limits.cpu:
            raise ValueError(f"requests {requests['cpu']} CPU but is limited to {limits['cpu']}; raise the limit")
        if self.requests.memory > self.limits.memory:
            raise ValueError(f"requests {requests['memory']} but is limited to {limits['memory']}; raise the limit")
        return self

    def times(self, count: int) -> "Resources":
        """Return the resources of several containers."""
        return Resources(requests=self.requests.times(count), limits=self.limits.times(count))

    def plus(self, other: "Resources") -> "Resources":
        """Return the sum."""
        return Resources(requests=self.requests.plus(other.requests), limits=self.limits.plus(other.limits))

    def maximum(self, other: "Resources") -> "Resources":
        """Return the larger of each request and limit."""
        return Resources(requests=self.requests.maximum(other.requests), limits=self.limits.maximum(other.limits))


class Sizes(Section):
    """Container sizes of the stack."""

    model_server: Resources = Field(description="Model server of a hospital whose entry has no `resources`.")
    job: Resources = Field(description="Each container of a CronJob.")
