"""What the environment decides for the front door."""

from pydantic import Field
from pydantic_settings import BaseSettings, SettingsConfigDict


class Settings(BaseSettings):
    """`routes`: `PORT=TARGET+TARGET,...`, all of them ports of this machine."""

    model_config = SettingsConfigDict(env_prefix="FRONT_", frozen=True)

    host: str = "127.0.0.1"
    routes: str = Field(pattern=r"^\d+=\d+(\+\d+)*(,\d+=\d+(\+\d+)*)*$")

    @property
    def targets(self) -> dict[int, list[int]]:
        """The ports behind each port."""
        pairs = (route.split("=") for route in self.routes.split(","))
        return {int(port): [int(one) for one in behind.split("+")] for port, behind in pairs}
