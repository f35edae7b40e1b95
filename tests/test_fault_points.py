"""Nothing commits or calls out without its two fault points, so the crash suite can kill the process at each."""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from storage.faults import Step

ROOT = Path(__file__).parents[1]
LAYERS = ("bot", "channels", "core", "storage")

WRITES = {"create", "bulk_create", "bulk_update", "get_or_create", "update_or_create", "save", "update", "delete"}
OURS_TO_BEGIN = "storage/transactions.py"

CALLED_UNDER = {
    "channels/telegram/channel.py": "post, edit, delete, fetch: within `calling` where core/outbox and "
    "core/attachments call them; typing, answer_press: shown to nobody afterwards, nothing is recorded of them",
    "channels/telegram/receive.py": "getUpdates: within `calling`; getMe, setMyCommands, setWebhook, deleteWebhook: "
    "may be repeated at any time, nothing is recorded of them",
    "channels/slack/": "post, edit, delete, fetch, surroundings: within `calling` where core calls them; events come "
    "in; modals and streams may be asked for at any time, nothing is recorded of them",
    "core/providers/": "within `calling` where core/providers/retry asks the model; lists of models: at any time",
    "bot/proofs.py": "live checks of `init` and `doctor`: nothing is recorded of them",
    "bot/checks/machine.py": "live checks of `doctor`: nothing is recorded of them",
    "bot/checks/outside.py": "live checks of `doctor`: nothing is recorded of them",
    "bot/commands/status.py": "asks the running service how it is: nothing is recorded of it",
}
"""Where the outside is called, and why a crash there is covered."""

FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
PORT_CALLS = {"post", "edit", "delete", "fetch", "stream", "surroundings"}


def modules() -> list[Path]:
    return [path for layer in LAYERS for path in sorted((ROOT / layer).rglob("*.py"))]


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


class Places(ast.NodeVisitor):
    """Walks a module and keeps, for each node, the functions and `async with` blocks that it stands in."""

    def __init__(self, tree: ast.AST) -> None:
        self.functions: list[str] = []
        self.within: list[str] = []
        self.found: list[tuple[ast.Call, tuple[str, ...], tuple[str, ...]]] = []
        self.visit(tree)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        outer, self.within = self.within, []
        self.functions.append(node.name)
        self.generic_visit(node)
        self.functions.pop()
        self.within = outer

    visit_FunctionDef = visit_AsyncFunctionDef = _function

    def visit_AsyncWith(self, node: ast.AsyncWith) -> None:
        for item in node.items:
            self.visit(item)
            self.within.append(ast.unparse(item.context_expr))
        for statement in node.body:
            self.visit(statement)
        del self.within[-len(node.items) :]

    def visit_Call(self, node: ast.Call) -> None:
        self.found.append((node, tuple(self.functions), tuple(self.within)))
        self.generic_visit(node)


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text())


@cache
def calls() -> list[tuple[str, ast.Call, tuple[str, ...], tuple[str, ...]]]:
    return [
        (name_of(path), node, functions, within)
        for path in modules()
        for node, functions, within in Places(parsed(path)).found
    ]


def opens_transaction(expression: str) -> bool:
    return "transaction(Step." in expression or ".commit(Step." in expression


def table_names() -> set[str]:
    names = set()
    for path in (ROOT / "storage" / "tables").glob("*.py"):
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ClassDef) and any(ast.unparse(base) == "Model" for base in node.bases):
                names.add(node.name)
    return names


TABLES = table_names()


def is_write(node: ast.Call) -> bool:
    """A write through a table or a query of one: `Lane.create(…)`, `Lane.filter(…).update(…)`, `row.save()`."""
    if not isinstance(node.func, ast.Attribute) or node.func.attr not in WRITES:
        return False
    root: ast.expr = node.func.value
    while isinstance(root, ast.Call | ast.Attribute):
        root = root.func if isinstance(root, ast.Call) else root.value
    if node.func.attr == "save":
        return True
    return isinstance(root, ast.Name) and root.id in TABLES


Place = tuple[str, str]
"""A function: its module's path and its name."""


def imports_of(tree: ast.AST) -> dict[str, tuple[str, str]]:
    """Return, for each imported name, the path of a module of ours and the name in it ("" for the module itself)."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in LAYERS:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}".replace(".", "/") + ".py"
                home = (whole, "") if (ROOT / whole).exists() else (node.module.replace(".", "/") + ".py", alias.name)
                found[alias.asname or alias.name] = home
    return found


def target_of(module: str, node: ast.Call, imports: dict[str, tuple[str, str]]) -> Place:
    """Return what a call calls, as far as its text tells; the module is "" where it could be any."""
    function = node.func
    if isinstance(function, ast.Name):
        return imports.get(function.id, (module, function.id))
    if not isinstance(function, ast.Attribute):
        return ("", "")
    if isinstance(function.value, ast.Name):
        if function.value.id in ("self", "cls"):
            return (module, function.attr)
        home = imports.get(function.value.id)
        if home is not None and home[1] == "":
            return (home[0], function.attr)
    return ("", function.attr)


@cache
def guarded_functions() -> set[Place]:
    """Return the functions that are only ever called from within a transaction.

    The fixed point of: a function is guarded if it is an operation (these run in the transaction around `invoke`), or
    if it is called somewhere and each of its calls stands in a block that opens a transaction or in a guarded
    function. A call through an object of unknown kind counts for every method of that name.
    """
    imports = {name_of(path): imports_of(parsed(path)) for path in modules()}
    every = list(calls())
    defined = {(module, name) for module, _, functions, _ in every for name in functions}
    callers: dict[Place, list[tuple[str, tuple[str, ...], bool]]] = {}
    for module, node, functions, within in every:
        place = target_of(module, node, imports[module])
        callers.setdefault(place, []).append((module, functions, any(map(opens_transaction, within))))
    methods = set(methods_of_classes())
    guarded = set(operations())
    while True:
        more = set()
        for place in defined - guarded:
            those = callers.get(place, []) + (callers.get(("", place[1]), []) if place in methods else [])
            if those and all(
                in_block or any((where, function) in guarded for function in functions)
                for where, functions, in_block in those
            ):
                more.add(place)
        if not more:
            return guarded
        guarded |= more


def methods_of_classes() -> Iterator[Place]:
    for path in modules():
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.ClassDef):
                yield from ((name_of(path), each.name) for each in node.body if isinstance(each, FUNCTION))


def operations() -> Iterator[Place]:
    for path in modules():
        for node in ast.walk(parsed(path)):
            if isinstance(node, ast.AsyncFunctionDef) and any(
                ast.unparse(each).startswith("operation(") and "Effect.EXTERNAL" not in ast.unparse(each)
                for each in node.decorator_list
            ):
                yield name_of(path), node.name


RUN_IN_A_TRANSACTION = {
    "core/operations/gateway.py:audit": "`invoke` writes down only writes, and they run in a transaction",
    "core/worker.py:_release_if_idle": "is passed as `then`, which runs in the transaction that ends a delivery",
}
"""What is reached through an argument, where no call can be seen."""


def test_the_check_itself_sees_a_write_outside_a_transaction() -> None:
    text = """
async def bad(row):
    await Lane.filter(id=row.id).update(due_at=None)
async def good(row):
    async with transaction(Step.LANE_CLAIM):
        await Lane.filter(id=row.id).update(due_at=None)
"""
    writes = [(functions, within) for node, functions, within in Places(ast.parse(text)).found if is_write(node)]
    assert [(functions[0], any(map(opens_transaction, within))) for functions, within in writes] == [
        ("bad", False),
        ("good", True),
    ]


def test_every_write_stands_in_a_transaction_with_a_step() -> None:
    guarded = guarded_functions()
    outside = []
    for module, node, functions, within in calls():
        if not is_write(node) or any(map(opens_transaction, within)):
            continue
        if any((module, function) in guarded for function in functions):
            continue
        places = [module, *(f"{module}:{function}" for function in functions)]
        if not any(place.startswith(known) for place in places for known in RUN_IN_A_TRANSACTION):
            outside.append(f"{module}:{node.lineno} {ast.unparse(node)[:80]}")
    assert outside == []


INVOKED_OUTSIDE = {
    "bot/commands/call.py:_run": "an external operation opens its own transactions",
    "core/commands.py:_plan": "an external operation opens its own transactions",
    "core/commands.py:_ask_if_unfit": "what is unfit is refused before it runs",
    "core/operations/as_tools.py:use": "an agent's tool that only reads",
}
"""Where operations run outside a transaction, and why."""


def test_operations_are_invoked_in_a_transaction() -> None:
    guarded = guarded_functions()
    found = 0
    for module, node, functions, within in calls():
        if isinstance(node.func, ast.Name) and node.func.id == "invoke":
            found += 1
            inside = any(map(opens_transaction, within))
            known = any(f"{module}:{function}" in INVOKED_OUTSIDE for function in functions)
            within_one = inside or any((module, function) in guarded for function in functions)
            assert known or within_one, f"{module}:{node.lineno}"
    assert found >= 2


def test_the_exceptions_from_the_rule_are_still_needed() -> None:
    there = {f"{module}:{function}" for module, _, functions, _ in calls() for function in functions}
    assert set(RUN_IN_A_TRANSACTION) | set(INVOKED_OUTSIDE) <= there
    assert [module for module in CALLED_UNDER if not (ROOT / module).exists()] == []


def test_only_the_transaction_module_begins_transactions() -> None:
    for path in modules():
        if name_of(path) == OURS_TO_BEGIN:
            continue
        for node in ast.walk(parsed(path)):
            called = node.func if isinstance(node, ast.Call) else None
            name = getattr(called, "id", None) or getattr(called, "attr", "")
            assert name not in ("in_transaction", "atomic", "_in_transaction"), f"{name_of(path)} begins its own"


def is_port_call(node: ast.Call) -> bool:
    """A call through a port: `channel.post(…)`, `model.stream(…)`."""
    function = node.func
    if not isinstance(function, ast.Attribute) or function.attr not in PORT_CALLS:
        return False
    return isinstance(function.value, ast.Name) and function.value.id in ("channel", "model")


def test_every_call_through_a_port_has_its_points() -> None:
    found = 0
    for module, node, _, within in calls():
        if not is_port_call(node):
            continue
        found += 1
        inside = [*within, ast.unparse(node)]
        assert any("calling(Step.CALL_" in each for each in inside), f"{module}:{node.lineno} {ast.unparse(node)}"
    assert found >= 6


@pytest.mark.parametrize(
    "package", ["aiohttp", "aiogram", "openai", "httpx", "httpx2", "urllib.request", "http.client", "smtplib"]
)
def test_the_outside_is_called_only_where_it_is_known_to_be_covered(package: str) -> None:
    clients = {"aiohttp": ("ClientSession", "ClientTimeout", "request"), "aiogram": ("Bot",)}
    for path in modules():
        text = path.read_text()
        for node in ast.walk(parsed(path)):
            names = _imported(node)
            if package not in names and not any(name.startswith(f"{package}.") for name in names):
                continue
            used = clients.get(package)
            if used is None or any(f"{package}.{each}" in text or f"import {each}" in text for each in used):
                assert _is_covered(name_of(path)), f"{name_of(path)} uses {package}"


def _is_covered(module: str) -> bool:
    """The parts of an adapter's home count as the adapter."""
    return any(module == known or (known.endswith("/") and module.startswith(known)) for known in CALLED_UNDER)


def _imported(node: ast.AST) -> set[str]:
    if isinstance(node, ast.Import):
        return {alias.name for alias in node.names}
    return {node.module} if isinstance(node, ast.ImportFrom) and node.module else set()


def test_every_step_is_used() -> None:
    text = "\n".join(path.read_text() for path in modules() if path.name != "faults.py")
    unused = [step.name for step in Step if f"Step.{step.name}" not in text]
    assert unused == []


def test_the_crash_suite_passes_every_step() -> None:
    """The suite's own traffic is counted in tests/crash; what it can't pass is listed there with a reason."""
    from tests.crash.scenarios import ELSEWHERE, HOT, RECOVERY

    for name in (*HOT, *RECOVERY):
        assert Step(name.rpartition(".")[0])
    for step in ELSEWHERE:
        assert Step(step)
