"""Loads a dataset folder with the real `datasets` and compares it with its manifest.

Usage, from the repository's root (not part of CI; the Rust test `folder_format` keeps the format):

    python3 -m venv /tmp/ds && /tmp/ds/bin/pip install datasets jsonschema
    cargo run -p dataset --example made_up_folder -- /tmp/made-up
    /tmp/ds/bin/python crates/dataset/tests/load_dataset.py /tmp/made-up

Any folder that `longhand run --out DIR` made will do as well. Exits with an assertion if anything differs.
"""

import hashlib
import json
import os
import sys
import tempfile
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["HF_DATASETS_CACHE"] = tempfile.mkdtemp()

import jsonschema  # noqa: E402
from datasets import Value, load_dataset  # noqa: E402

SCHEMAS = Path(__file__).resolve().parents[3] / "schemas" / "dataset"


def jsonl_rows(folder, manifest):
    """Rows of the JSONL twins in the order of the manifest."""
    for file in manifest["files"]:
        if file["format"] == "jsonl":
            # Not splitlines(): texts may hold U+2028.
            for line in (folder / file["name"]).read_text(encoding="utf-8").split("\n")[:-1]:
                yield json.loads(line)


def check_schemas(manifest, rows):
    """The JSON schemas accept what was written."""
    validator = jsonschema.Draft202012Validator
    validator(json.loads((SCHEMAS / "manifest.schema.json").read_text())).validate(manifest)
    row_validator = validator(json.loads((SCHEMAS / "row.schema.json").read_text()))
    for row in rows:
        row_validator.validate(row)


def check_hashes(folder, manifest):
    """The files and the list of files have the hashes that the manifest names."""
    lines = ""
    for file in manifest["files"]:
        digest = hashlib.sha256((folder / file["name"]).read_bytes()).hexdigest()
        assert digest == file["sha256"], file["name"]
        lines += f"{digest}  {file['name']}\n"
    assert hashlib.sha256(lines.encode()).hexdigest() == manifest["dataset_hash"]


def check_types(dataset):
    """`messages` has the type that chat templates and TRL take."""
    features = dataset.features
    assert features["messages"].feature == {"role": Value("string"), "content": Value("string")}, features["messages"]
    assert features["plan"].feature == {"main_point": Value("string"), "words": Value("uint32")}, features["plan"]
    message = dataset[0]["messages"][0]
    assert isinstance(message, dict) and list(message) == ["role", "content"], message


def main(folder):
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    expected = list(jsonl_rows(folder, manifest))
    check_schemas(manifest, expected)
    check_hashes(folder, manifest)

    splits = load_dataset(str(folder))
    assert list(splits) == ["train"], splits
    dataset = splits["train"]
    check_types(dataset)
    assert dataset.num_rows == manifest["tally"]["rows"] == len(expected), dataset
    assert dataset.to_list() == expected

    by_files = load_dataset("parquet", data_files=str(folder / "shards" / "*.parquet"), split="train")
    assert by_files["id"][:] == dataset["id"][:]
    streamed = load_dataset(str(folder), split="train", streaming=True)
    assert [row["id"] for row in streamed] == dataset["id"][:]
    print(f"{dataset.num_rows} rows, as in the manifest: folder, files and streaming")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(Path(sys.argv[1]))
