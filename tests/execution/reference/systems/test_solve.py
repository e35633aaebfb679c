"""Adjoint systems of implicit definitions: solved by structure, at sizes whose whole matrices nothing could hold."""

from __future__ import annotations

from unittest import mock

import pytest
import torch
from torch import Tensor

from gradcli import api
from gradcli.execution.reference.systems import solve as solving
from gradcli.execution.reference.systems import substitution
from gradcli.execution.reference.systems.blocks import by_matrix
from gradcli.execution.reference.systems.mirrored import mirrored
from gradcli.execution.reference.systems.problem import Problem
from gradcli.execution.reference.systems.restricted import EVERYTHING, Ranges
from gradcli.execution.reference.systems.two_sided import two_sides

PROGRAMS = {
    "cholesky": "torch.linalg.cholesky(a @ a.mT + torch.eye({n})) ** 2",
    "lu": "torch.linalg.lu_factor(a)[0] ** 2",
    "qr": "torch.sin(torch.linalg.qr(a)[0]) + torch.linalg.qr(a)[1] ** 2",
    "eigh": "torch.linalg.eigh(a + a.mT)[1] ** 4",
    "eigenvalues": "torch.linalg.eigh(a + a.mT)[0] ** 2",
    "svd": "torch.linalg.svd(a, full_matrices=False)[0] ** 4",
    "svdvals": "torch.linalg.svdvals(a) ** 3",
    "slogdet": "torch.linalg.slogdet(a)[1]",
    "eig": "torch.linalg.eig(a)[0].abs() ** 2",
    "eigenvectors": "torch.linalg.eig(a)[1].abs() ** 4",
    "pinv": "torch.linalg.pinv(a[..., :40])",
}
# Those whose systems are more than one n x n matrix.
STRUCTURED = {"cholesky", "lu", "qr", "eigh", "eigenvalues", "svd", "svdvals", "slogdet", "eig", "eigenvectors"}


def matrix(*shape: int) -> Tensor:
    """Return random numbers, the same every time."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def symbolic(program: str, a: Tensor) -> Tensor:
    """Return the symbolic gradient of a program's sum."""
    report = api.evaluate(program, {"a": a}, reduce="sum")
    (leaf,) = [tensor for tensor in report.tensors if tensor.name == "a"]
    assert leaf.symbolic is not None
    return torch.as_tensor(leaf.symbolic.value)


def by_pytorch(program: str, a: Tensor) -> Tensor:
    """Return PyTorch's gradient of a program's sum."""
    own = a.clone().requires_grad_()
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    try:
        eval(program, {"torch": torch, "a": own}).sum().backward()  # noqa: S307 (the programs above)
    finally:
        torch.set_default_dtype(before)
    assert own.grad is not None
    return own.grad


@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("shape", [(90, 90), (2, 70, 70)], ids=str)
def test_large_systems_give_pytorchs_gradient(name: str, shape: tuple[int, ...]) -> None:
    a, program = matrix(*shape), PROGRAMS[name].format(n=shape[-1])
    expected = by_pytorch(program, a)
    assert torch.allclose(symbolic(program, a), expected, rtol=1e-7, atol=1e-9 * float(expected.abs().max()))


def only_one_matrix(problem: Problem, right: Tensor) -> Tensor:
    """Eliminate what is one n x n matrix for all right sides, and nothing larger."""
    assert len(problem.system.columns) == 1, "the whole matrix is built"
    assert problem.system.family is None, "all matrices of the family are built"
    return by_matrix(problem, right, {})


@pytest.mark.parametrize("name", sorted(STRUCTURED))
def test_structure_gives_what_elimination_gives(name: str) -> None:
    a, program = matrix(9, 9), PROGRAMS[name].format(n=9)
    expected = symbolic(program, a)
    with (
        mock.patch.object(solving, "FEW", 0),
        mock.patch.object(substitution, "SMALL", 4),
        mock.patch.object(solving, "_by_elimination", only_one_matrix),
    ):
        found = symbolic(program, a)
    assert torch.allclose(found, expected, rtol=1e-9, atol=1e-11 * float(expected.abs().max()))


@pytest.mark.parametrize("name", ["cholesky", "qr", "svdvals"])
def test_a_wrong_solution_is_never_given(name: str) -> None:
    a, program = matrix(9, 9), PROGRAMS[name].format(n=9)

    right = solving.Problem.product

    def wrong(self: solving.Problem, solution: Tensor, ranges: Ranges = EVERYTHING) -> Tensor:
        return torch.ones_like(right(self, solution, ranges))

    with mock.patch.object(solving, "FEW", 0), mock.patch.object(solving.Problem, "product", wrong):
        report = api.evaluate(program, {"a": a}, reduce="sum")
    assert report.verdict == "undecided"


def refused(*_: object, **__: object) -> Tensor:
    """Solve nothing."""
    msg = "this way is not taken"
    raise AssertionError(msg)


@pytest.mark.parametrize("shape", [(40, 40), (2, 30, 30)], ids=str)
def test_the_two_triangles_of_an_lu_are_solved_by_two_triangular_systems(shape: tuple[int, ...]) -> None:
    a, program = matrix(*shape), PROGRAMS["lu"]
    with mock.patch.object(solving, "substitute", refused):
        found = symbolic(program, a)
    expected = by_pytorch(program, a)
    assert torch.allclose(found, expected, rtol=1e-9, atol=1e-11 * float(expected.abs().max()))


def test_a_triangle_that_both_sides_read_is_not_taken_for_two() -> None:
    made: list[object] = []

    def seen(problem: Problem) -> object:
        made.append(two_sides(problem))
        return made[-1]

    with mock.patch.object(solving, "two_sides", seen), mock.patch.object(solving, "mirrored", return_value=None):
        symbolic(PROGRAMS["cholesky"].format(n=40), matrix(40, 40))
    assert made == [None]


FACTORS = {
    "lower": "torch.linalg.cholesky(a @ a.mT + torch.eye(30)) ** 2",
    "upper": "torch.linalg.cholesky(a @ a.mT + torch.eye(30), upper=True) ** 2",
    "orthogonal": "torch.sin(torch.linalg.qr(a)[0])",
}


@pytest.mark.parametrize("name", FACTORS)
@pytest.mark.parametrize("shape", [(30, 30), (2, 30, 30)], ids=str)
def test_the_factor_of_a_symmetric_matrix_is_solved_by_two_triangular_systems(
    name: str, shape: tuple[int, ...]
) -> None:
    a, program = matrix(*shape), FACTORS[name]
    with mock.patch.object(solving, "substitute", refused), mock.patch.object(solving, "two_sides", refused):
        found = symbolic(program, a)
    expected = by_pytorch(program, a)
    assert torch.allclose(found, expected, rtol=1e-8, atol=1e-10 * float(expected.abs().max()))


def test_two_factors_are_not_taken_for_one() -> None:
    made: list[object] = []

    def seen(problem: Problem) -> object:
        made.append(mirrored(problem))
        return made[-1]

    with mock.patch.object(solving, "mirrored", seen):
        symbolic(PROGRAMS["lu"], matrix(40, 40))
    assert made == [None]


@pytest.mark.parametrize("name", ["cholesky", "lu"])
def test_blocks_that_are_wrongly_taken_to_be_alike_are_looked_at_again(name: str) -> None:
    a, program = matrix(40, 40), PROGRAMS[name].format(n=40)
    with (
        mock.patch.object(solving, "two_sides", return_value=None),
        mock.patch.object(solving, "mirrored", return_value=None),
        mock.patch.object(substitution, "SMALL", 16),
        mock.patch.object(substitution._Substitution, "_kind", return_value="all"),
    ):
        found = symbolic(program, a)
    expected = by_pytorch(program, a)
    assert torch.allclose(found, expected, rtol=1e-9, atol=1e-11 * float(expected.abs().max()))


def test_a_few_matrices_of_a_family_are_eliminated() -> None:
    a, program = matrix(60, 45), "torch.linalg.matrix_norm(a, 2)"
    with mock.patch.object(solving, "shared_basis", refused):
        found = symbolic(program, a)
    assert torch.allclose(found, by_pytorch(program, a), rtol=1e-11, atol=1e-13)


def test_a_singular_family_is_undecided() -> None:
    report = api.evaluate("torch.linalg.eigh(a)[0]", {"a": torch.eye(110, dtype=torch.float64)}, reduce="sum")
    assert report.verdict == "undecided"
    assert any("singular" in note.words for tensor in report.tensors for note in tensor.notes)


def test_repeated_eigenvalues_elsewhere_do_no_harm() -> None:
    a = torch.diag(torch.tensor([1.0] + [2.0] * 109, dtype=torch.float64))
    assert api.evaluate("torch.linalg.eigh(a)[0][0]", {"a": a}).verdict == "match"


def test_products_solve_what_has_no_other_structure() -> None:
    orthogonal = torch.linalg.qr(matrix(60, 60))[0]
    a = orthogonal @ torch.diag(torch.tensor([1.0, 1.0, *range(2, 60)], dtype=torch.float64))
    report = api.evaluate("torch.linalg.matrix_norm(a, 'nuc')", {"a": a})
    assert report.verdict == "match"


def test_a_planted_error_is_found_at_a_large_size() -> None:
    a = matrix(80, 80)
    right = by_pytorch("torch.linalg.qr(a)[1] ** 2", a)
    found = symbolic("torch.linalg.qr(a)[1] ** 2", a)
    assert torch.allclose(found, right, rtol=1e-7, atol=1e-9 * float(right.abs().max()))
    a = a.clone().requires_grad_()
    a.register_hook(lambda gradient: gradient * (1 + 1e-6))
    torch.linalg.qr(a)[1].square().sum().backward()
    assert a.grad is not None
    assert not torch.allclose(found, a.grad, rtol=1e-7, atol=1e-9 * float(right.abs().max()))


SHARED = {
    "solve": ("torch.linalg.solve(a, b)", (40, 40), "_by_elimination"),
    "svd": ("torch.linalg.svd(a, full_matrices=False)[0] ** 4", (90, 60), "shared_basis"),
}


@pytest.mark.parametrize("name", SHARED)
def test_a_system_is_factorised_once(name: str) -> None:
    program, shape, way = SHARED[name]
    given = {"a": matrix(*shape)} | ({"b": matrix(shape[0], 3)} if "b" in program else {})
    with mock.patch.object(solving, way, side_effect=getattr(solving, way)) as called:
        report = api.evaluate(program, given, reduce="sum")
    assert report.verdict == "match"
    assert called.call_count == 1


def test_another_right_side_and_other_numbers_have_other_solutions() -> None:
    a, b = matrix(12, 12), matrix(12, 2)
    with mock.patch.object(solving, "Problem", side_effect=Problem) as made:
        symbolic("torch.linalg.solve(a, a[:, :2])", a)
    system, last = made.call_args.args[0], solving.LastSystem()
    for left, right in ((a, b), (a, 2 * b), (a + 1, 2 * b), (a + 1, 2 * b), (a + 1, b)):
        operands = {"A": left, "B": b, "out": torch.linalg.solve(left, b)}
        assert torch.allclose(last.solve(system, right, operands), torch.linalg.solve(left.mT, right))


def test_a_right_side_that_is_changed_afterwards_has_another_solution() -> None:
    a, b = matrix(12, 12), matrix(12, 2)
    with mock.patch.object(solving, "Problem", side_effect=Problem) as made:
        symbolic("torch.linalg.solve(a, a[:, :2])", a)
    system, last, operands = made.call_args.args[0], solving.LastSystem(), {"A": a, "B": b, "out": b}
    last.solve(system, b, operands)
    b += 1
    assert torch.allclose(last.solve(system, b, operands), torch.linalg.solve(a.mT, b))


@pytest.mark.parametrize("finds_nothing", [False, True])
@pytest.mark.parametrize("name", ["cholesky", "svd"])
def test_next_to_a_solution_only_what_moves_is_solved_for(name: str, *, finds_nothing: bool) -> None:
    with mock.patch.object(solving, "FEW", 0), mock.patch.object(solving, "Problem", side_effect=Problem) as made:
        symbolic(PROGRAMS[name].format(n=12), matrix(12, 12))
        system, operands, right = made.call_args.args
        last, step = solving.LastSystem(), 1e-12 * torch.rand(right.shape, dtype=right.dtype)
        before = last.solve(system, right, operands)
        way = "by_sides" if name == "cholesky" else "in_basis"
        nothing = mock.patch.object(solving, way, lambda problem, *_, **__: problem.blank())
        with nothing if finds_nothing else mock.patch.object(solving, "_by_first_way", refused):
            moved = last.solve(system, right * (1 + step), operands) - before
    expected = by_matrix(Problem(system, operands, right), right * step, EVERYTHING)
    assert torch.allclose(moved, expected, rtol=1e-2, atol=1e-2 * float(expected.abs().max()))


def test_what_is_zero_but_for_rounding_is_no_error() -> None:
    a, program = matrix(110, 110), "torch.linalg.eig(a)[0].abs() ** 2"  # the real eigenvalues have no imaginary parts
    with mock.patch.object(solving, "MOST", 0), mock.patch.object(solving, "ACCEPTED", 2 * solving.EXACT):
        found = symbolic(program, a)
    expected = by_pytorch(program, a)
    assert torch.allclose(found, expected, rtol=1e-7, atol=1e-9 * float(expected.abs().max()))
