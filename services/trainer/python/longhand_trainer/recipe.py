"""The recipe of a round: what schemas/training/recipe.schema.json says, with the defaults of each kind filled in."""

import hashlib
import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from .errors import TrainingError

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Name = Annotated[str, Field(min_length=1)]
Beta = Annotated[float, Field(ge=0, lt=1)]


class Strict(BaseModel):
    """Unknown fields are errors: a misspelt one would otherwise be a silent default."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(Strict):
    name: Name
    path: Name
    format: Literal["parquet", "jsonl"]
    sha256: Sha256
    rows: Annotated[int, Field(ge=0)]


class General(Strict):
    """General data; each row counts `weight` times per epoch."""

    name: Name
    path: Name
    format: Literal["parquet", "jsonl"]
    sha256: Sha256
    rows: Annotated[int, Field(ge=0)] | None = None
    weight: Annotated[float, Field(gt=0)] = 1.0


class Data(Strict):
    shards: Annotated[list[Source], Field(min_length=1)]
    general: list[General] = []

    @property
    def sources(self) -> "list[Source | General]":
        """All files, shards first."""
        return [*self.shards, *self.general]

    @model_validator(mode="after")
    def _names_are_unique(self) -> "Data":
        names = [source.name for source in self.sources]
        if len(names) != len(set(names)):
            raise ValueError("two sources of the same name")
        return self


class Cosine(Strict):
    kind: Literal["cosine"] = "cosine"
    total_steps: Annotated[int, Field(ge=1)] | None = None
    warmup_ratio: Beta | None = None


class Wsd(Strict):
    """Warm-up, constant, and a linear decay at the end of the last round."""

    kind: Literal["wsd"]
    warmup_steps: Annotated[int, Field(ge=0)] = 10
    decay_ratio: Annotated[float, Field(ge=0, le=1)] = 0.0


class Optimizer(Strict):
    betas: tuple[Beta, Beta] | None = None
    weight_decay: Annotated[float, Field(ge=0)] | None = None
    max_grad_norm: Annotated[float, Field(gt=0)] = 1.0


class Full(Strict):
    kind: Literal["full"]


class Lora(Strict):
    kind: Literal["lora"] = "lora"
    r: Annotated[int, Field(ge=1)] = 64
    alpha: Annotated[float, Field(gt=0)] | None = None
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    target: Annotated[list[str], Field(min_length=1)] | None = None


class Dpo(Strict):
    beta: Annotated[float, Field(gt=0)] = 0.1
    sft_weight: Annotated[float, Field(ge=0)] = 0.0


class CheckpointEvery(Strict):
    steps: Annotated[int, Field(ge=1)] | None = 400
    seconds: Annotated[float, Field(gt=0)] | None = 1800.0


Formula = Literal["token_averaged", "sequence_averaged", "released"]
Attention = Literal["auto", "flash", "flex", "sdpa"]

# May differ between a checkpoint and the recipe that resumes from it: none of them changes what is trained.
_FREE = {
    "job",
    "output_dir",
    "resume_from",
    "processes",
    "sharding",
    "offload",
    "attention",
    "memory_limit_bytes",
    "checkpoint_every",
    "keep_checkpoints",
    "save_model",
    "gradient_checkpointing",
}


class Recipe(Strict):
    schema_: Annotated[Literal[1], Field(alias="schema")]
    kind: Literal["sft", "dpo"]
    job: str | None = None
    round: Annotated[int, Field(ge=1)]
    base_model: Name
    base_revision: str | None = None
    output_dir: Name
    resume_from: str | None = None
    continue_from: str | None = None
    start_step: Annotated[int, Field(ge=0)] = 0
    data: Data
    epochs: Annotated[int, Field(ge=1)] | None = None
    seed: Annotated[int, Field(ge=0, le=2**63 - 1)] = 42
    max_length: Annotated[int, Field(ge=2)] = 32768
    packs_per_step: Annotated[int, Field(ge=1)] = 8
    loss: Formula = "token_averaged"
    learning_rate: Annotated[float, Field(gt=0)] | None = None
    schedule: Annotated[Cosine | Wsd, Field(discriminator="kind")] | None = None
    optimizer: Optimizer = Optimizer()
    tuning: Annotated[Full | Lora, Field(discriminator="kind")] = Lora()
    dpo: Dpo = Dpo()
    template: Name = "auto"
    attention: Attention = "auto"
    precision: Literal["auto", "bf16", "fp32"] = "auto"
    gradient_checkpointing: bool | None = None
    processes: Annotated[int, Field(ge=1)] | None = None
    sharding: Literal["auto", "none", "fsdp"] = "auto"
    offload: bool = False
    memory_limit_bytes: Annotated[int, Field(ge=1)] | None = None
    checkpoint_every: CheckpointEvery = CheckpointEvery()
    keep_checkpoints: Annotated[int, Field(ge=1)] = 2
    save_model: bool = True

    @model_validator(mode="before")
    @classmethod
    def _null_is_default(cls, value: Any) -> Any:
        return {k: v for k, v in value.items() if v is not None} if isinstance(value, dict) else value

    @property
    def epochs_(self) -> int:
        return self.epochs or (4 if self.kind == "sft" else 2)

    @property
    def learning_rate_(self) -> float:
        if self.learning_rate is not None:
            return self.learning_rate
        if self.kind == "dpo":
            return 1e-6
        return 1e-4 if self.tuning.kind == "lora" else 1e-5

    @property
    def schedule_(self) -> Cosine | Wsd:
        return self.schedule or Cosine()

    @property
    def warmup_ratio(self) -> float:
        schedule = self.schedule_
        if isinstance(schedule, Cosine) and schedule.warmup_ratio is not None:
            return schedule.warmup_ratio
        return 0.03 if self.kind == "sft" else 0.1

    @property
    def betas(self) -> tuple[float, float]:
        return self.optimizer.betas or ((0.9, 0.95) if self.kind == "sft" else (0.9, 0.999))

    @property
    def weight_decay(self) -> float:
        if self.optimizer.weight_decay is not None:
            return self.optimizer.weight_decay
        return 0.1 if self.kind == "sft" else 0.0

    def training_fields(self) -> dict[str, Any]:
        """What a checkpoint is bound to: all that shapes the weights. Files count by name and hash, not by path."""
        fields = {k: v for k, v in self.model_dump(by_alias=True, mode="json").items() if k not in _FREE}
        for source in [*fields["data"]["shards"], *fields["data"]["general"]]:
            del source["path"]
        if self.continue_from is not None:
            fields["continue_from"] = Path(self.continue_from).name
        fields["base_model"] = Path(self.base_model).name
        if Path(self.template).is_file():
            fields["template"] = hashlib.sha256(Path(self.template).read_bytes()).hexdigest()
        return fields


def load(path: Path) -> Recipe:
    """Reads a recipe; paths in it become absolute. Raises `bad_recipe` with the first field that is wrong."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise TrainingError("bad_recipe", f"{path}: cannot be read: {error}") from error
    try:
        recipe = Recipe.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the recipe"
        raise TrainingError("bad_recipe", f"{path}: {where}: {first['msg']}") from error
    return _absolute(recipe, path.resolve().parent)


def _absolute(recipe: Recipe, folder: Path) -> Recipe:
    def resolve(value: str | None) -> str | None:
        return None if value is None else str((folder / value).resolve())

    value = json.loads(recipe.model_dump_json(by_alias=True))
    for source in [*value["data"]["shards"], *value["data"]["general"]]:
        source["path"] = resolve(source["path"])
    for field in ("output_dir", "resume_from", "continue_from"):
        value[field] = resolve(value[field])
    # A model or template that is no file here is a name: on a hub, or of a built-in.
    for field in ("base_model", "template"):
        if (folder / value[field]).exists():
            value[field] = resolve(value[field])
    return Recipe.model_validate(value)
