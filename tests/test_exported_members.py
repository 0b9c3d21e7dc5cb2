"""`__all__` says exactly what is public."""

import importlib
import inspect
import pkgutil

import pytest

import lag_zoo

ROOMS = [f"lag_zoo.{found.name}" for found in pkgutil.iter_modules(lag_zoo.__path__) if found.ispkg]


def _order(name: str) -> tuple[int, str]:
    """As ruff sorts `__all__` (RUF022): constants, classes, the rest."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name


@pytest.mark.parametrize("package", ["lag_zoo", *ROOMS])
def test_all_is_sorted_and_every_name_is_there(package: str) -> None:
    module = importlib.import_module(package)
    exported = list(getattr(module, "__all__", []))  # a room that is no shop window has none
    assert exported == sorted(set(exported), key=_order)
    assert [name for name in exported if not hasattr(module, name)] == []


def test_dir_is_what_is_exported() -> None:
    for _ in range(2):
        assert dir(lag_zoo) == sorted(lag_zoo.__all__)
        for name in lag_zoo.__all__:
            getattr(lag_zoo, name)  # names load when they are first used
        importlib.import_module("lag_zoo.data")
    assert lag_zoo.__version__


def test_all_is_the_public_namespace() -> None:
    for name in lag_zoo.__all__:
        getattr(lag_zoo, name)
    public = {name for name in vars(lag_zoo) if not name.startswith("_")}
    modules = {name for name in public if inspect.ismodule(getattr(lag_zoo, name))}
    offered = {"scores"}  # the one room that loads as an attribute
    assert offered <= modules
    assert public - (modules - offered) == set(lag_zoo.__all__)


def test_the_package_offers_what_the_documentation_uses() -> None:
    promised = {
        "CropEnsemble",
        "LAG",
        "Predictor",
        "create_model",
        "create_transform",
        "list_models",
        "model_info",
        "reported_results",
    }
    assert promised <= set(lag_zoo.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="create_modle"):
        lag_zoo.create_modle  # noqa: B018
