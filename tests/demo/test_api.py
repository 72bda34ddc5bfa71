"""The curl command that is shown is the one that is run, but for the key."""

import json
import shlex

import pytest

from podd.demo.api import Api
from podd.demo.failure import DemoError


def test_the_command_shown_can_be_pasted_into_a_shell() -> None:
    api = Api("http://127.0.0.1:1", "rpa_0123456789")
    document = 'mutation { it(is: "what\'s $HOME") { id } }'

    shown = api.shown(document)
    api.close()

    words = shlex.split(shown.removeprefix("$ ").partition("\n(")[0])
    assert words[0] == "curl"
    assert "http://127.0.0.1:1/graphql?api_key=rpa_0123..." in words
    assert json.loads(words[words.index("--data") + 1]) == {"query": document}


def test_an_api_that_does_not_answer_is_one_sentence() -> None:
    api = Api("http://127.0.0.1:1", "rpa_0123456789")

    with pytest.raises(DemoError, match="podd does not answer"):
        api.graphql("query { myself { id } }")
    api.close()
