"""The versions and facets of transforms that a batch of events asks for, before anything is written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from lamin_core.ingest.facts import Facets, JobAttributes, JobFacts, ReadJob, TransformFacts
from lamin_core.ingest.renamed_jobs import Key, Renaming

Version = tuple[str, str, str | None]
"""Namespace, key and hash of the source of a version."""


@dataclass(slots=True)
class TransformRequest:
    """A version that is asked for, with the latest description of it and its first moment."""

    facts: TransformFacts
    at: datetime


class TransformBatch:
    """The versions and facets that a batch asks for, collected before anything is written."""

    def __init__(self) -> None:
        self.versions: dict[Version, TransformRequest] = {}
        self.facets: dict[Key, dict[str, tuple[str, Any]]] = {}
        self.declared: dict[Key, datetime] = {}

    def request(self, facts: TransformFacts, at: datetime) -> None:
        """Request a version for this code, which was described at this time."""
        request = self.versions.setdefault(version_of(facts), TransformRequest(facts, at))
        request.at = min(request.at, at)
        request.facts = max(request.facts, facts, key=lambda candidate: candidate.precedence)

    def declare(self, job: JobFacts) -> None:
        """Note a job that an event described without a run."""
        key = job.transform.namespace, job.transform.key
        self.add_facets(key, job.facets)
        if job.transform.source_hash is not None:
            self.request(job.transform, job.at)
        else:
            self.declared[key] = min(job.at, self.declared.get(key, job.at))

    def add_facets(self, job: Key, facets: Facets) -> None:
        """The facts of the job."""
        if facets:
            merge(self.facets.setdefault(job, {}), facets)

    @property
    def keys(self) -> set[Key]:
        """The jobs that it speaks of."""
        return {version[:2] for version in self.versions} | set(self.facets) | set(self.declared)

    def renamings(self, keys: Collection[Key], read_job: ReadJob) -> list[Renaming]:
        """The earlier names of those jobs that have been renamed."""
        hashes: dict[Key, set[str]] = defaultdict(set)
        for namespace, name, value in self.versions:
            hashes[namespace, name].update([] if value is None else [value])
        renamings = []
        for key in sorted(keys):
            previous = attributes_of(self.facets.get(key, {}), read_job).previous_name
            if previous is not None and previous != key[1]:
                renamings.append(Renaming(key, previous, frozenset(hashes[key])))
        return renamings

    def renamed(self, names: Mapping[Key, Key]) -> TransformBatch:
        """The same of the jobs that have other names now."""
        batch = TransformBatch()
        for request in self.versions.values():
            namespace, key = request.facts.namespace, request.facts.key
            batch.request(
                replace(request.facts, key=names.get((namespace, key), (namespace, key))[1]),
                request.at,
            )
        for job, facets in self.facets.items():
            batch.add_facets(names.get(job, job), facets)
        for job, at in self.declared.items():
            job = names.get(job, job)
            batch.declared[job] = min(at, batch.declared.get(job, at))
        return batch


def version_of(facts: TransformFacts) -> Version:
    """The key that identifies this version."""
    return facts.namespace, facts.key, facts.source_hash


def merge(facets: dict[str, tuple[str, Any]], updates: Facets) -> bool:
    """For each name, take the later of the two facts; return whether anything changed."""
    newer = {
        name: entry
        for name, entry in updates.items()
        if name not in facets or entry[0] > facets[name][0]
    }
    facets.update(newer)
    return bool(newer)


def attributes_of(stamped: Facets, read_job: ReadJob) -> JobAttributes:
    """The attributes of a job, read from its facets without their stamps."""
    return read_job({name: value for name, (_, value) in stamped.items()})
