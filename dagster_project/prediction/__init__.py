"""Who will return, how often and for how much: learnt from purchase days, tested by the past."""

from dagster_project.prediction.predict import PredictionReport, predict
from dagster_project.prediction.rules import Rules, load_rules

__all__ = ["PredictionReport", "Rules", "load_rules", "predict"]
