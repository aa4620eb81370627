"""Database credentials have the privileges of their creation statements."""

from policy_pack.facts.postgres import logins as database_logins
from policy_pack.stack.graph import Graph
from tests.policy.access_resources import path_rule, vault_access_by
from tests.policy.builders import STACK, build


def test_database_credentials_have_the_privileges_of_their_statements() -> None:
    creation = [
        """CREATE ROLE "{{name}}" LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'""",
        'GRANT SELECT, INSERT ON worklist.visits TO "{{name}}";',
        "GRANT readers TO {{name}}",
        "GRANT nonsense",
    ]
    login = build(
        "vault:database/secretBackendRole:SecretBackendRole",
        "planner",
        {"backend": "north/database", "name": "planner", "dbName": "main", "creationStatements": creation},
    )
    connection = build(
        "vault:database/secretBackendConnection:SecretBackendConnection",
        "main",
        {"backend": "north/database", "name": "main"},
    )
    logins = vault_access_by(path_rule("north/database/creds/planner", "read"), login, connection)
    assert [one.verb for one in logins] == ["generate credentials"]
    graph = Graph([login, connection], STACK)
    found = database_logins.access(graph, logins)
    assert [(one.store, one.verb, one.parts) for one in found] == [
        (connection.urn, "all privileges of the role", ("role readers",)),
        (connection.urn, "insert", ("worklist.visits",)),
        (connection.urn, "select", ("worklist.visits",)),
    ]
    assert {one.principal.label for one in found} == {"ServiceAccount north-phi/ingestor"}
    assert database_logins.unparsed_grants(graph) == ["planner: GRANT nonsense"]
