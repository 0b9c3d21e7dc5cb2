"""A data set in words: frames, groups and labels, as the header of a command shows them."""

from collections import Counter
from collections.abc import Sequence

from lag_zoo.data.images import count_kinds
from lag_zoo.data.manifest import Frame, Manifest
from lag_zoo.tasks import rules_of

_GROUPS = {"patient": "patients", "exam": "examinations"}
_UNGROUPED = "none named: frames of one patient may stand on both sides of a split"


def data_facts(
    data: Manifest, readable: Manifest | None = None, *, trained_on: str | None = None
) -> dict[str, str]:
    """Describes a data set: its source, frames by split, groups, labels, and what a folder held besides.

    Args:
        readable: its frames that are neither excluded nor unreadable, where that has been looked at.
        trained_on: the split whose labels are counted; by default those of all frames are.

    >>> from lag_zoo.data.manifest import Frame
    >>> frames = tuple(Frame(image=f"{n}.png", labels=(n % 2,), exam=f"{n // 4}") for n in range(8))
    >>> data_facts(Manifest(root=".", label_names=("normal", "IM"), frames=frames, source="frames.csv"))
    {'data': 'frames.csv', 'frames': '8', 'groups': '2 examinations', 'labels': 'normal 4, IM 4'}
    """
    excluded = sum(bool(frame.excluded) for frame in data.frames)
    used = [frame for frame in (readable or data).frames if not frame.excluded]
    aside = {"excluded": excluded, "unreadable": len(data) - excluded - len(used)}
    counted = (readable or data) if trained_on is None else (readable or data).where(split=trained_on)
    facts = {
        "data": data.source,
        "frames": "; ".join(
            [_by_split(used), *(f"{count} {what}" for what, count in aside.items() if count)]
        ),
        "groups": _UNGROUPED,
        "labels": _labels(counted) + (f" in {trained_on}" if trained_on else ""),
    }
    if data.grouping:
        groups = {getattr(frame, data.grouping) for frame in used}
        facts["groups"] = f"{len(groups)} {_GROUPS[data.grouping]}"
    left_out = count_kinds(data.left_out)
    return {**facts, "left out": left_out} if left_out else facts


def _by_split(frames: Sequence[Frame]) -> str:
    counts = Counter(frame.split for frame in frames)
    if set(counts) <= {""}:
        return str(len(frames))
    named = sorted(counts, key=lambda name: (name != "train", name != "val", name == "", name))
    return f"{len(frames)}: " + ", ".join(f"{counts[name]} {name or 'of no split'}" for name in named)


def _labels(data: Manifest) -> str:
    if rules_of(data.task).exclusive:
        return ", ".join(f"{name} {count}" for name, count in data.label_counts().items())
    counted = []
    for number, name in enumerate(data.label_names):
        counts = Counter(frame.labels[number] for frame in data.frames if not frame.excluded)
        unknown = f", unknown {counts[-1]}" if counts[-1] else ""
        counted.append(f"{name} {counts[1]}, without {counts[0]}{unknown}")
    return "; ".join(counted)
