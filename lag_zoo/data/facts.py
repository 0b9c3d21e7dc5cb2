"""A data set in words: frames, groups and labels, as the header of a command shows them."""

from collections import Counter

from lag_zoo.data.images import describe_left_out
from lag_zoo.data.manifest import Manifest

_GROUPS = {"patient": "patients", "exam": "examinations"}
_UNGROUPED = "none named: frames of one patient may stand on both sides of a split"


def data_facts(data: Manifest, *, unreadable: int = 0, trained_on: str | None = None) -> dict[str, str]:
    """Describes a data set: its source, frames by split, groups, labels, and what a folder held besides.

    Args:
        unreadable: frames that cannot be read and are left out.
        trained_on: the split whose labels are counted; by default those of all frames are.

    >>> from lag_zoo.data.manifest import Frame
    >>> frames = tuple(Frame(image=f"{n}.png", labels=(n % 2,), exam=f"{n // 4}") for n in range(8))
    >>> data_facts(Manifest(root=".", label_names=("normal", "IM"), frames=frames, source="frames.csv"))
    {'data': 'frames.csv', 'frames': '8', 'groups': '2 examinations', 'labels': 'normal 4, IM 4'}
    """
    used = [frame for frame in data.frames if not frame.excluded]
    by_split = Counter(frame.split for frame in used)
    named = sorted(by_split, key=lambda name: (name != "train", name != "val", name == "", name))
    parts = [f"{by_split[name]} {name or 'of no split'}" for name in named]
    aside = [f"{len(data) - len(used)} excluded"] if len(used) < len(data) else []
    aside += [f"{unreadable} unreadable, left out"] if unreadable else []
    groups = len({getattr(frame, data.grouping) for frame in used}) if data.grouping else 0
    facts = {
        "data": data.source,
        "frames": "; ".join([f"{len(used)}: {', '.join(parts)}" if data.splits else str(len(used)), *aside]),
        "groups": f"{groups} {_GROUPS[data.grouping]}" if data.grouping else _UNGROUPED,
        "labels": _labels(data if trained_on is None else data.where(split=trained_on))
        + (f" in {trained_on}" if trained_on else ""),
    }
    left_out = describe_left_out(data.left_out).removeprefix("left out: ")
    return {**facts, "left out": left_out} if left_out else facts


def _labels(data: Manifest) -> str:
    if data.task == "multiclass":
        return ", ".join(f"{name} {count}" for name, count in data.label_counts().items())
    told = []
    for number, name in enumerate(data.label_names):
        counts = Counter(frame.labels[number] for frame in data.frames if not frame.excluded)
        unknown = f", unknown {counts[-1]}" if counts[-1] else ""
        told.append(f"{name} {counts[1]}, without {counts[0]}{unknown}")
    return "; ".join(told)
