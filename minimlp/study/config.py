"""What the settings of every study share: seeds, identity, and which stored records are theirs."""

from dataclasses import fields

from .. import checks
from .store import key, versions


class Config:
    """Base of the studies' settings: frozen dataclasses with `seeds`, `first_seed`, `backend` and a `command`.

    A study adds three methods: `runs()`, a list of dicts that JSON can hold; `execute(run)`, the record of one;
    `is_record(run, record)`, whether a record read back has the shape of `execute`'s.
    """

    def check_seeds(self):
        checks.count("seeds", self.seeds, most=10**5)
        checks.count("first_seed", self.first_seed, least=0)

    def seed_range(self):
        return range(self.first_seed, self.first_seed + self.seeds)

    def identity(self):
        """What makes a study this study: its command, settings, backend and versions."""
        settings = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "backend"}
        return {"command": self.command, "settings": settings, "backend": self.backend,
                "versions": versions(self.backend)}

    def acceptance(self):
        """A function (run, record): whether this study could have written that record."""
        runs = {key(run) for run in self.runs()}
        return lambda run, record: key(run) in runs and self.is_record(run, record)
