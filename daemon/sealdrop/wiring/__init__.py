"""The composition root: the only package that names concrete classes.

setup      settings → setup: outboxes, rules, keys, transports
process    what runs: the agent as a service, or once
verbs      what the control socket answers
asking     questions to the agent, or to the ledger alone
reporting  importing a report of quarantined communications
checking   configuration, file, keys and ledger without an agent
mending    the ledger's derived tables, without an agent
starting   a first configuration and its folders
folders    where everything of an instance lies
"""
