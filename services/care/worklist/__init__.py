"""Worklist: patients by risk of readmission, for care coordinators; pages rendered on the server."""

from services.care.worklist.routes import router

__all__ = ["router"]
