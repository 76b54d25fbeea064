"""The id of an exemplar on the command line."""

from __future__ import annotations

import pytest

from proxy.cli.main import main


@pytest.mark.parametrize("command", ["show", "replay"])
@pytest.mark.parametrize("id", ["", " "], ids=["empty", "blank"])
def test_no_id_is_asked_for_and_not_looked_for(
    command: str, id: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["shadow", command, id])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert "an id is needed: `figway shadow exemplars ROUTE` lists what is kept" in said
