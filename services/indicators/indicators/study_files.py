"""Where studies are found: one file each, in the folder `studies` beside this one and in a folder of the user's own.

Owns what a file must have to be one; each mistake is told at the start, in a sentence. What a user's own file does
wrong later, at a bar, ends nothing: from then on it has nothing to say of that series.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import re
from collections.abc import Callable
from dataclasses import replace
from math import nan
from pathlib import Path
from types import ModuleType
from typing import Any

from signalbox.errors import ConfigurationError

from indicators import studies
from indicators.studied import Formula
from indicators.studies import Bars, Memory, Parameters

log = logging.getLogger(__name__)

NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")
FOLDER = Path(studies.__file__).parent


def find(own: Path | None = None, failed: Callable[[str], None] = lambda name: None) -> dict[str, Formula]:
    """Every study by name; `own` = a folder with others. `failed` is called with its name when a user's own one fails.

    Raises `ConfigurationError` with a sentence for each file of `own` that is none.
    """
    found = {name: _formula(name, importlib.import_module(f"{studies.__name__}.{name}")) for name in _names(FOLDER)}
    mistakes: list[str] = []
    if own is not None and not own.is_dir():
        raise ConfigurationError([f"SIGNALBOX_STUDIES_FOLDER is {own}, which is no folder that can be read."])
    for path in sorted(own.glob("*.py")) if own is not None else ():
        if path.stem in found:
            mistakes.append(f"{path} has the name of a study that there is already: give the file another one.")
            continue
        try:
            formula = _formula(path.stem, _read(path))
        except Exception as error:  # a user's own code, at the start: whatever it does, it is a sentence
            mistakes.append(f"{path} is no study: {type(error).__name__}: {error}. See docs/indicators.md.")
            continue
        found[path.stem] = replace(formula, step=guarded(formula, failed))
    if mistakes:
        raise ConfigurationError(mistakes)
    return found


def guarded(formula: Formula, failed: Callable[[str], None]) -> Callable[[Memory, Parameters, Bars, int], Memory]:
    """The step of a user's own study, which raises nothing: once it has failed it says nothing any more of a series."""
    outputs = len(formula.outputs)
    silent = (nan,) * outputs
    step = formula.step

    def guarded_step(memory: Memory, parameters: Parameters, bars: Bars, at: int) -> Memory:
        if memory is silent:
            return memory
        try:
            after = step(memory, parameters, bars, at)
            if not isinstance(after, tuple) or len(after) < outputs:
                raise TypeError(f"step gave {type(after).__name__} instead of a tuple that begins with its outputs")
            for value in after[:outputs]:
                float(value)
        except Exception as error:  # a user's own code: it ends neither the service nor anybody else's scores
            log.warning("a study fails", extra={"study": formula.name, "error": f"{type(error).__name__}: {error}"})
            failed(formula.name)
            return silent
        return after

    return guarded_step


def _names(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("[a-z]*.py"))


def _read(path: Path) -> ModuleType:
    if not NAME.fullmatch(path.stem):
        raise ValueError("its name must be small letters, digits and _, up to 32")
    specification = importlib.util.spec_from_file_location(f"signalbox_own_study_{path.stem}", path)
    if specification is None or specification.loader is None:
        raise ValueError("it can not be read as a module")
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return module


def _formula(name: str, module: ModuleType) -> Formula:
    """What a module says. Raises `ValueError` for what it does not have or has wrong."""
    parts: Any = module
    for part in ("PARAMETERS", "OUTPUTS", "step"):
        if not hasattr(module, part):
            raise ValueError(f"it has no {part}")
    parameters, outputs = dict(parts.PARAMETERS), tuple(parts.OUTPUTS)
    if not all(type(value) in (int, float) and value >= 0 for value in parameters.values()):
        raise ValueError("PARAMETERS must have numbers from 0 on")
    if not outputs or len(set(outputs)) < len(outputs) or not all(_is_output(output, outputs) for output in outputs):
        raise ValueError('OUTPUTS must have different names of small letters, digits and _, or be ("",)')
    begin = getattr(parts, "BEGIN", (nan,) * len(outputs))
    formula = Formula(
        name=name,
        about=(module.__doc__ or "").strip(),
        parameters=parameters,
        outputs=outputs,
        begin=begin,
        step=parts.step,
        warm_up=getattr(parts, "warm_up", lambda parameters: 1),
        reach=getattr(parts, "reach", lambda parameters: 0),
    )
    if not callable(formula.step) or not isinstance(begin, tuple) or len(begin) < len(outputs):
        raise ValueError("step must be a function, and BEGIN a tuple that begins with the outputs")
    values = tuple(parameters.values())
    if not all(type(each(values)) is int and each(values) >= 0 for each in (formula.warm_up, formula.reach)):
        raise ValueError("warm_up and reach must give a whole number of bars")
    return formula


def _is_output(output: object, outputs: tuple[object, ...]) -> bool:
    return isinstance(output, str) and (NAME.fullmatch(output) is not None or outputs == ("",))
