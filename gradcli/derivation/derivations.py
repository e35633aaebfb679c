"""Derivatives and formulas for one check, from the answers that the process has already or from the sympy process."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from gradcli.derivation.client import Known, Posted, Worker
from gradcli.derivation.connection import Failure, Outcome
from gradcli.derivation.formulas import Formula, FormulaRequest, formulas_from_data
from gradcli.derivation.messages import Arbitrated, Arbitration, DerivativeRequest, Derived
from gradcli.derivation.proof import Proof, ProofRequest
from gradcli.derivation.single_entries import EntriesRequest
from gradcli.derivation.store import Store
from gradcli.errors import defect

DEFAULT_SECONDS = 10.0
# Seconds after the time for formulas until a process that does not answer is killed.
GRACE = 1.0
# Answers that are kept of each kind.
MOST_DERIVED, MOST_WRITTEN = 4096, 512


@dataclass(slots=True)
class Answers:
    """What the sympy process has answered: each derivative is derived once, each program's formulas written once.

    That there was no time, or that the process died, is not an answer.
    """

    derived: dict[DerivativeRequest, Derived] = field(default_factory=dict)
    """Derivatives, and the reasons for which sympy has none."""
    written: dict[FormulaRequest, Mapping[str, Formula]] = field(default_factory=dict)
    """Formulas by name of tensor."""

    def keep(self, request: DerivativeRequest, derived: Derived) -> None:
        """Keep a derivative."""
        if len(self.derived) >= MOST_DERIVED:
            self.derived.clear()  # in one step: other threads read it
        self.derived[request] = derived

    def keep_formulas(self, request: FormulaRequest, formulas: Mapping[str, Formula]) -> None:
        """Keep a program's formulas."""
        if len(self.written) >= MOST_WRITTEN:
            self.written.clear()
        self.written[request] = formulas


@dataclass(frozen=True, slots=True)
class PostedFormulas:
    """Formulas on their way."""

    request: FormulaRequest
    """What was asked for."""
    posted: Posted | Known | None
    """The question; None if this process has the answer."""
    known: Mapping[str, Formula] | None = None
    """The answer, if this process has it."""


@dataclass(slots=True)
class Derivations:
    """What one check derives with."""

    worker: Worker = field(default_factory=Worker)
    """The sympy process, which other checks use too."""
    seconds: float = DEFAULT_SECONDS
    """The time for one derivation."""
    answers: Answers = field(default_factory=Answers)
    """The answers that checks have in common."""
    known: dict[DerivativeRequest, Derived] = field(default_factory=dict)
    """Everything that this check has asked for, with the reasons for which there is no answer."""
    store: Store = field(default_factory=Store)
    """What processes before this one were answered."""

    def for_check(self, seconds: float, store: Store | None = None) -> Derivations:
        """Return what another check derives with: what failed in this one is tried again."""
        return Derivations(self.worker, seconds, self.answers, store=store or Store())

    def start(self, run: str) -> None:
        """Have the sympy process started, beside whatever comes next, unless this run can do without it."""
        if not self.store.sufficed_for(run):
            self.worker.start()

    def request(self, requests: Iterable[DerivativeRequest]) -> None:
        """Derive what is not known yet."""
        missing = []
        for request in dict.fromkeys(requests):
            answer = self.known.get(request) or self.answers.derived.get(request)
            if answer is None:
                missing.append(request)
            else:
                self.known[request] = answer
        if not missing:
            return
        outcomes = self.worker.ask("derive", [request.to_data() for request in missing], self.seconds, self.store)
        for request, outcome in zip(missing, outcomes, strict=True):
            self._note(request, outcome)

    def _note(self, request: DerivativeRequest, outcome: Outcome) -> None:
        _require_sound(outcome)
        if isinstance(outcome, Failure):
            self.known[request] = Derived(None, {}, error=outcome.reason)
            return
        failed = outcome.error is not None
        self.known[request] = Derived(None, {}, error=outcome.error) if failed else Derived.from_data(outcome.data)
        self.answers.keep(request, self.known[request])

    def post_formulas(self, request: FormulaRequest) -> PostedFormulas:
        """Have formulas written while the caller does something else."""
        known = self.answers.written.get(request)
        if known is not None:
            return PostedFormulas(request, None, known)
        seconds = request.seconds + GRACE
        return PostedFormulas(request, self.worker.post("formulas", request.to_data(), seconds, self.store))

    def collect_formulas(self, posted: PostedFormulas) -> Mapping[str, Formula]:
        """Return the formulas that were found in time, by name of tensor; none if there is no answer."""
        if posted.posted is None:
            return posted.known or {}
        outcome = self.worker.collect(posted.posted)
        _require_sound(outcome)
        if isinstance(outcome, Failure):
            return {}
        formulas = {} if outcome.error is not None else formulas_from_data(outcome.data)
        self.answers.keep_formulas(posted.request, formulas)
        return formulas

    def prove(self, request: ProofRequest) -> Proof | str:
        """Return what a proof comes to, or why there is none."""
        (outcome,) = self.worker.ask("prove", [request.to_data()], request.seconds + GRACE)
        _require_sound(outcome)
        if isinstance(outcome, Failure):
            return outcome.reason.replace("derivative", "proof")
        return outcome.error if outcome.error is not None else Proof.from_data(outcome.data)

    def entries(self, request: EntriesRequest) -> list[float] | str:
        """Return the entries that sympy's text comes to, or why it comes to none."""
        (outcome,) = self.worker.ask("entries", [request.to_data()], self.seconds)
        _require_sound(outcome)
        if isinstance(outcome, Failure):
            return outcome.reason.replace("derivative", "text")
        return outcome.error if outcome.error is not None else [float(value) for value in outcome.data]

    def arbitrate(self, request: Arbitration) -> Arbitrated | None:
        """Return a derivative to many digits; None if sympy has none."""
        (outcome,) = self.worker.ask("arbitrate", [request.to_data()], self.seconds, self.store)
        _require_sound(outcome)
        return None if isinstance(outcome, Failure) or outcome.error is not None else Arbitrated(**outcome.data)


def _require_sound(outcome: Outcome) -> None:
    """Raise InternalError where the sympy process ran into a defect of ours: that is not a missing derivative."""
    if not isinstance(outcome, Failure) and outcome.defect is not None:
        raise defect(outcome.defect)
