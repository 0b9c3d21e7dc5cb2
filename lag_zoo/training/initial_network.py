"""The network that a run begins with: the recipe's model with the data's labels, and its first weights."""

import dataclasses

from lag_zoo.catalogue.builtin_backbones import BUILTIN_BACKBONES
from lag_zoo.data.manifest import Manifest
from lag_zoo.errors import DataError, InvalidConfigError, WeightsNotFoundError
from lag_zoo.factory import create_model
from lag_zoo.nn import LAG
from lag_zoo.registry import list_models, model_info, resolve
from lag_zoo.specs import LAGConfig
from lag_zoo.tasks import readable_as
from lag_zoo.training.recipe import Recipe
from lag_zoo.weights.skeleton import without_memory

BACKBONE = "backbone"
_PLACES = ("hf-hub:", "local-dir:")


def with_model(recipe: Recipe, model: str) -> Recipe:
    """Return the recipe with another model, which starts from weights of its own if it has any.

    A place has; so has a name of the zoo whose weights this version vouches for. A recipe that names
    `backbone_weights`, or another start than the bare backbone's weights, keeps it.

    Raises:
        UnknownModelError: no such name.

    >>> from lag_zoo.training import load_recipe
    >>> with_model(load_recipe("finetune"), "lag_tf_efficientnet_lite0_polyp").pretrained
    True
    >>> with_model(load_recipe("finetune"), "lag_resnet18").pretrained
    'backbone'
    """
    open_start = recipe.pretrained == BACKBONE and recipe.backbone_weights is None
    own = _has_weights(model) and open_start
    return recipe.changed({"model": model, "pretrained": True if own else recipe.pretrained})


def _has_weights(model: str) -> bool:
    return model.startswith(_PLACES) or ("/" not in model and bool(resolve(model)[0].weights))


def build_network(recipe: Recipe, manifest: Manifest) -> LAG:
    """Build the recipe's model with the data's labels, in the order of the model's own where these are the same.

    Exclusive labels that are grades to the model are so in training too.

    Raises:
        WeightsNotFoundError: the backbone's weights cannot be had; the message says what a run can start from instead.
        InvalidConfigError: the backbone's weights are given, and others would overwrite them.
    """
    own = _own_configuration(recipe)
    names, task = manifest.label_names, manifest.task
    if own and own.label_names and set(own.label_names) == set(names):
        names, task = own.label_names, own.task if readable_as(task, own.task) else task
    try:
        return create_model(
            recipe.model,
            pretrained=recipe.pretrained,
            backbone_weights=recipe.backbone_weights,
            label_names=list(names),
            task=task,
            **recipe.fields,  # type: ignore[arg-type]
        )
    except WeightsNotFoundError as error:
        if recipe.pretrained != BACKBONE or recipe.backbone_weights is not None:
            raise
        raise WeightsNotFoundError(
            f"the recipe starts from the weights of the backbone of {recipe.model}: {error.reason}",
            ways_on=_ways_on(recipe),
        ) from error


def named_network(model: LAG, manifest: Manifest) -> LAG:
    """Return a ready network, with the data's labels as names of its outputs where these have none.

    Raises:
        DataError: it tells other kinds of labels, or another number of them, than the data have.
    """
    if not readable_as(manifest.task, model.config.task) or model.num_classes != len(manifest.label_names):
        raise DataError(
            f"the network tells {model.num_classes} labels ({model.config.task}), and {manifest.source} has "
            f"{len(manifest.label_names)} ({manifest.task}): {', '.join(manifest.label_names)}; make the network with "
            "label_names and task as the data have them"
        )
    if model.label_names is None:
        model.config = dataclasses.replace(model.config, label_names=manifest.label_names)
    return model


def suit_stages(model: LAG, recipe: Recipe) -> None:
    """Take away crops that no stage of a recipe trains, in place.

    Raises:
        InvalidConfigError: a stage trains crops, and the network has none.
    """
    if not recipe.has_crops:
        model.remove_crops()
    elif not model.config.num_crops:
        trained = ", ".join(stage.name for stage in recipe.stages if stage.crops)
        raise InvalidConfigError(
            f"crops take part in the stage {trained}, and the network has none (num_crops=0): take a recipe without "
            "them, such as plain, or a network with crops"
        )


def _ways_on(recipe: Recipe) -> str:
    """Name the starts that need no network, as options of the command; a network without crops where none are trained.

    In Python the same are `model` and `pretrained` of `finetune`.
    """
    backbones = [f"lag_{name}" for name in BUILTIN_BACKBONES]
    zoo = map(model_info, list_models(pretrained=True))
    trained = [
        spec.name
        for spec in zoo
        if spec.weights[0].repo is None and (spec.config.num_crops or not recipe.has_crops)
    ]
    ways = [
        f"start from {kind} inside the package, --model {' or '.join(names)}"
        for kind, names in (("a backbone whose weights are", backbones), ("a trained network", trained))
        if names
    ]
    ways += [
        "start from a file of the backbone's weights, --backbone-weights FILE",
        "start untrained, --set pretrained=false",
        "or fetch the weights where there is a network: what the cache holds needs none afterwards",
    ]
    return "; ".join(ways)


def _own_configuration(recipe: Recipe) -> LAGConfig | None:
    try:
        with without_memory():
            return create_model(recipe.model).config
    except InvalidConfigError:  # an architecture has none
        return None
