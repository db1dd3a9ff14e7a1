"""The report: one page for people who steer, made from the published marts alone."""

from dagster_project.reporting.page import ReportFile, write_report

__all__ = ["ReportFile", "write_report"]
