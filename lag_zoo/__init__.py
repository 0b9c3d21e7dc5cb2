"""lag_zoo: pretrained endoscopy models that look twice.

`import lag_zoo` loads no torch; the public names load when they are first used. The models are for research: they are
not medical devices.
"""

import importlib
import typing

__version__ = "0.1.0"

_HOMES = {
    "About": "about",
    "CropEnsemble": "nn",
    "ExamPrediction": "predict",
    "FieldOfView": "views",
    "LAG": "nn",
    "LAGConfig": "specs",
    "LagZooError": "errors",
    "Measurement": "specs",
    "DatasetRef": "specs",
    "ModelSpec": "specs",
    "Prediction": "predict",
    "Predictor": "predict",
    "ViewSampler": "views",
    "Views": "views",
    "WeightSpec": "specs",
    "create_exam_model": "factory",
    "create_model": "factory",
    "create_transform": "factory",
    "evaluate_predictions": "evaluate",
    "evidence": "predict",
    "find_field_of_view": "views",
    "finetune": "training",
    "keep_freed_memory": "memory",
    "list_models": "registry",
    "model_info": "registry",
    "push_to_hub": "publishing",
    "register_with_timm": "factory",
    "register": "registry",
    "reported_results": "catalogue.reported",
    "save_pretrained": "publishing",
    "verify": "publishing",
}

_ROOMS = ["scores"]

__all__ = [
    "LAG",
    "About",
    "CropEnsemble",
    "DatasetRef",
    "ExamPrediction",
    "FieldOfView",
    "LAGConfig",
    "LagZooError",
    "Measurement",
    "ModelSpec",
    "Prediction",
    "Predictor",
    "ViewSampler",
    "Views",
    "WeightSpec",
    "create_exam_model",
    "create_model",
    "create_transform",
    "evaluate_predictions",
    "evidence",
    "find_field_of_view",
    "finetune",
    "keep_freed_memory",
    "list_models",
    "model_info",
    "push_to_hub",
    "register",
    "register_with_timm",
    "reported_results",
    "save_pretrained",
    "scores",
    "verify",
]

if typing.TYPE_CHECKING:
    from lag_zoo import scores
    from lag_zoo.about import About
    from lag_zoo.catalogue.reported import reported_results
    from lag_zoo.errors import LagZooError
    from lag_zoo.evaluate import evaluate_predictions
    from lag_zoo.factory import create_exam_model, create_model, create_transform, register_with_timm
    from lag_zoo.memory import keep_freed_memory
    from lag_zoo.nn import LAG, CropEnsemble
    from lag_zoo.predict import ExamPrediction, Prediction, Predictor, evidence
    from lag_zoo.publishing import push_to_hub, save_pretrained, verify
    from lag_zoo.registry import list_models, model_info, register
    from lag_zoo.specs import DatasetRef, LAGConfig, Measurement, ModelSpec, WeightSpec
    from lag_zoo.training import finetune
    from lag_zoo.views import FieldOfView, Views, ViewSampler, find_field_of_view


def __getattr__(name: str) -> object:
    if name in _ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
