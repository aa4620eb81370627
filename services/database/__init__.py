"""PostgreSQL of a hospital: four databases, their migrations, roles and grants, and connections to them.

A hospital has the databases ``<hospital>-care``, ``-planning``, ``-audit`` and ``-warehouse``; each has one schema,
which has the name without the hospital (``schemas.py``).

Migrations are in ``migrations/<schema>/``, one file each: ``0001_<schema>_<content>.py``, whose ``revision`` is the
name of the file without its ending. The schema in the name keeps module names unique. Independent parts of a schema may
have their own line of revisions (``down_revision = None``): all heads are applied. Migrations run as the hospital's
owner role and name the schema (``schema="care"``). Group roles exist before a migration runs: a row-level security
policy names one with ``migrate.role("coordinator")``. Migrations grant nothing: ``grants.yaml`` is the only table of
grants, and it is applied after them.
"""
