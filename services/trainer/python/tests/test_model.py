"""Documents of a pack are alone, and what is trained is what the recipe says."""

from typing import Any

import pytest
import torch

from longhand_trainer import recipe
from longhand_trainer.attention import choose
from longhand_trainer.errors import TrainingError
from longhand_trainer.model import (
    PackedModel,
    add_tokens,
    linear_layers,
    load_config,
    load_model,
    load_tokenizer,
    pack_tensors,
    prepare,
)
from longhand_trainer.recipe import Lora
from longhand_trainer.template import Encoder
from longhand_trainer.template import choose as choose_template

from .lab import Lab, answers, write_jsonl
from .test_plan import build

CPU = torch.device("cpu")


def loaded(lab: Lab, **fields: Any) -> recipe.Recipe:
    return recipe.load(lab.recipe([write_jsonl(lab.folder / "a.jsonl", answers())], **fields))


def test_a_packed_document_is_as_if_alone(lab: Lab) -> None:
    parsed = loaded(lab, max_length=512)
    built = build(lab.folder / "round.json")
    packed = PackedModel(load_model(parsed, 0, torch.float32, "sdpa"), "sdpa").eval()
    members = built.packs[0].documents
    assert len(members) >= 4
    pack = pack_tensors(built.documents, members, CPU)
    with torch.no_grad():
        together = packed._head(packed._hidden(pack.ids, pack.positions, pack.lengths))
        losses = packed(pack)
        leaky = packed.model(input_ids=pack.ids).logits[0]
        start = 0
        for index, member in enumerate(members):
            ids = torch.from_numpy(built.documents.ids(member)).long()
            # The model's own forward, which knows nothing of packs.
            alone = packed.model(input_ids=ids[None]).logits[0]
            torch.testing.assert_close(together[start : start + len(ids)], alone, atol=1e-5, rtol=1e-5)
            mask = torch.from_numpy(built.documents.mask(member).copy())
            own = torch.nn.functional.cross_entropy(alone[:-1][mask[1:]], ids[1:][mask[1:]], reduction="sum")
            torch.testing.assert_close(losses[index], own, atol=1e-4, rtol=1e-5)
            start += len(ids)
    assert (leaky - together).abs().max() > 1e-2


def test_a_model_that_mixes_documents_is_refused(lab: Lab) -> None:
    model = load_model(loaded(lab), 0, torch.float32, "sdpa").eval()
    packed = PackedModel(model, "sdpa")
    with torch.no_grad():
        assert packed(None) is None
        packed.kind = "none"  # no boundaries reach the attention
        assert "does not keep packed documents apart" in packed(None)
        packed.kind = "sdpa"
        model.config.logit_scale = 0.5
        assert "makes its logits in a way" in packed(None)


def test_attention_that_is_not_there_is_refused_and_the_slow_one_warned_of() -> None:
    assert choose("auto", "cpu")[0] == "sdpa"
    assert "slow" in str(choose("auto", "cpu")[1])
    assert choose("sdpa", "cpu") == ("sdpa", None)
    for wanted in ("flash", "flex"):
        with pytest.raises(TrainingError, match=wanted):
            choose(wanted, "cpu")


def test_lora_is_on_all_linear_layers_but_the_head(lab: Lab) -> None:
    parsed = loaded(lab, tuning={"kind": "lora"})
    model = load_model(parsed, 0, torch.float32, "sdpa")
    assert linear_layers(model) == ["down_proj", "gate_proj", "k_proj", "o_proj", "q_proj", "up_proj", "v_proj"]
    prepare(model, parsed, new_tokens=False)
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    assert len(trained) == 2 * 7 * 2  # A and B, of 7 layers, in 2 blocks
    assert all("lora_" in name and 64 in p.shape for name, p in trained.items())
    again = load_model(parsed, 0, torch.float32, "sdpa")
    prepare(again, parsed, new_tokens=False)
    torch.testing.assert_close(dict(again.named_parameters()), dict(model.named_parameters()), atol=0, rtol=0)


def test_new_tokens_get_embeddings_that_are_trained(lab: Lab) -> None:
    parsed = loaded(lab, tuning={"kind": "lora", "r": 2}, template="llama3")
    assert isinstance(parsed.tuning, Lora)
    tokenizer = load_tokenizer(parsed)
    template = choose_template(tokenizer, "llama3")
    assert add_tokens(tokenizer, template) == 4
    assert Encoder(tokenizer, template).ends == [tokenizer.convert_tokens_to_ids("<|eot_id|>")]
    before = load_model(parsed, 0, torch.float32, "sdpa").get_input_embeddings().weight.shape[0]
    model = load_model(parsed, len(tokenizer), torch.float32, "sdpa")
    assert model.get_input_embeddings().weight.shape[0] == before + 4
    prepare(model, parsed, new_tokens=True)
    assert model.get_input_embeddings().weight.requires_grad
    assert model.get_output_embeddings().weight is model.get_input_embeddings().weight


def test_a_folder_without_a_model_is_a_bad_recipe(lab: Lab) -> None:
    parsed = loaded(lab).model_copy(update={"base_model": str(lab.folder)})
    with pytest.raises(TrainingError, match="not a model") as caught:
        load_config(parsed)
    assert caught.value.code == "bad_recipe"
