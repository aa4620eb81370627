"""The page with what came of a run: kinds of requests against outcomes."""

from collections import defaultdict

from tests.hostile.run import Outcomes
from tests.support.repository import when_and_what

COLUMNS = ("answered", "refused", "refused as HTTP", "closed", "502")
MEANINGS = {
    "certificate": "no client certificate, or one of another authority, workload or hospital, expired, two identities",
    "EHR token": "unsigned, other keys and algorithms, `jku`, `kid`, `crit`, wrong claims and times, broken encodings",
    "sign-in token": "the same for access tokens of people, and without a second factor",
    "method": "methods that a path does not have",
    "path": "dot segments, encoded slashes, NUL, absolute forms, identifiers in the path",
    "query": "identifiers, NUL and long values in queries",
    "header": "too many, too long, no header names, control characters, forged proxy headers",
    "framing": "two lengths, length and chunks, broken chunks, folded headers, half requests, other protocols",
    "body": "other encodings, NaN, huge numbers, deep nesting, repeated names, 1 MB notes, other media types",
    "prefetch": "a good hook whose FHIR resources have values of other types",
    "form": "worklist forms with forged tokens, wrong fields, 1 MB notes",
    "generated": "schemathesis on the OpenAPI documents, valid and invalid",
}
_HEAD = """# Hostile requests
`python -m tests.hostile` starts planning and care with the worklist as their pods do (mutual TLS, real PostgreSQL and
OpenBao), and sends 10,000 hostile requests. Every string that can hold a text carries an identifier of the 18 kinds of
45 CFR 164.514(b)(2), at some time. A sample runs with the process tests.

For each request: no status 5xx (but 502 of a launch whose EHR does not answer), no stack trace, no identifier,
pseudonym or token in a refusal, a log or an audit record; exactly one audit record for each answer of the application
and none for two; no second answer out of a body. Requests that prove nothing about who sends them come first: they
got nothing but public descriptions, and left no row in any table.

{run}, and without a gateway: requests go to the services directly.

"""


def page(outcomes: Outcomes) -> str:
    """Return the page."""
    rows: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    for (kind, service, outcome), count in outcomes.counts.items():
        rows[kind, service][outcome] = count
    others = sorted({outcome for row in rows.values() for outcome in row} - set(COLUMNS))
    columns = [name for name in (*COLUMNS, *others) if any(name in row for row in rows.values())]
    lines = [
        f"| kind | service | sent | {' | '.join(columns)} |",
        f"|---|---|{'---|' * (len(columns) + 1)}",
    ]
    for (kind, service), row in sorted(rows.items(), key=lambda item: (list(MEANINGS).index(item[0][0]), item[0][1])):
        counts = " | ".join(str(row.get(name, 0)) for name in columns)
        lines.append(f"| {kind} | {service} | {sum(row.values())} | {counts} |")
    sums = " | ".join(str(sum(row.get(name, 0) for row in rows.values())) for name in columns)
    lines.append(f"| all | | {outcomes.sent} | {sums} |")
    meanings = "\n".join(f"- **{kind}**: {meaning}" for kind, meaning in MEANINGS.items())
    return (
        _HEAD.format(run=when_and_what())
        + "\n".join(lines)
        + f"""

"Refused as HTTP": what is no HTTP/1.1 gets status 400 from the server's parser, and never reaches the application.
"Closed": the TLS handshake failed, or the request was never finished. "Answered" of requests with proof: what they ask
is allowed, such as a score under a well-formed pseudonym.

{outcomes.answers} answers named {outcomes.answers} different audit records.
{outcomes.without_reader} records more are of requests whose sender was gone before the answer.

{meanings}
"""
    )
