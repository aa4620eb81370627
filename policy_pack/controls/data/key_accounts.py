"""Keys by which stores are encrypted: of the stack's account, so that nobody else decides about its data."""

from policy_pack.controls.rules import join_check
from policy_pack.facts.data_stores import EncryptionKeys, kinds
from policy_pack.facts.iam.callers import account_of, own_account
from policy_pack.stack.checks import Findings, StackContext, violation
from policy_pack.stack.graph import Resource
from policy_pack.stack.text import known_text


@join_check("ENC-02", *kinds())
def stores_have_keys_of_the_account(store: Resource, context: StackContext) -> Findings:
    """Refuse stores that a key of another account encrypts, which can take the data away."""
    own = own_account(context.graph)
    keys: EncryptionKeys = context.graph.memo("encryption keys", EncryptionKeys)
    for view, holder in keys.references(store):
        account = account_of(known_text(view))
        if account and own and account != own:
            yield violation("is encrypted with a key of another account", view.path, holder)
