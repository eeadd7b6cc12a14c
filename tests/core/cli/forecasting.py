"""A made-up forecast, to see what the verb asks for."""

from pydantic import BaseModel


class Params(BaseModel):
    """A patient or a table."""

    patient: str = ""
    table: str = ""
