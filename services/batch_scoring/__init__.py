"""Nightly scores of the stays that go on: a Job that computes with the release itself and asks no model server."""
