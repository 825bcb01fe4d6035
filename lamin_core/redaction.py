"""Mask secrets, for authors of adapters: the public import path of `lamin_core.runtime.redaction`.

Every adapter masks with the same rules what it takes from its engine before it sends an event:

>>> from lamin_core.redaction import redact, redact_text
>>> redact({"alpha": 1, "db_password": "hunter2"})
{'alpha': 1, 'db_password': '***'}
>>> redact_text("run --api_key abc")
'run --api_key ***'
"""

from __future__ import annotations

from lamin_core.runtime.redaction import redact, redact_command, redact_file, redact_text

__all__ = ["redact", "redact_command", "redact_file", "redact_text"]
