"""The three losses, and token losses that never hold more than a chunk of logits.

Every formula is a weighted sum of document losses whose weights follow from the packs of the step alone, so each process
knows them without asking another. With L_i the summed token loss of document i, N_i its targets, over K packs p:

- token_averaged (LongWriter's paper):     sum_i L_i / sum_i N_i
- sequence_averaged (LongAlign, eq. 2-4):  (1 / M) sum_i L_i / N_i, over the M documents with targets
- released (LongWriter's code):            (1 / K) sum_p (n_p / 30) (sum_{i in p} L_i) / (sum_{i in p} N_i), where p has n_p
  documents with targets
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from .recipe import Formula

# Of the released code, which does not explain it: about the number of documents of a pack.
RELEASED_DOCUMENTS = 30
# Targets whose logits exist at a time: 1024 x 152k in fp32 is 0.6 GB.
CHUNK = 1024


def weights(formula: Formula, counts: Sequence[Sequence[int]]) -> list[list[float]]:
    """The weight of every document, from the numbers of targets of the documents of each pack of a step."""
    total = sum(sum(pack) for pack in counts)
    with_targets = sum(count > 0 for pack in counts for count in pack)

    def weight(pack: Sequence[int], count: int) -> float:
        if count == 0:
            return 0.0
        if formula == "token_averaged":
            return 1 / total
        if formula == "sequence_averaged":
            return 1 / (with_targets * count)
        return sum(other > 0 for other in pack) / (RELEASED_DOCUMENTS * len(counts) * sum(pack))

    return [[weight(pack, count) for count in pack] for pack in counts]


def document_losses(
    hidden: Tensor,
    head: Callable[[Tensor], Tensor],
    targets: Tensor,
    document: Tensor,
    documents: int,
    chunk: int = CHUNK,
) -> Tensor:
    """The summed token loss of every document (fp32, shape [documents]).

    hidden: [n, width], what the model says before each target; targets: [n] token ids; document: [n], which one it is of.
    Logits exist for `chunk` targets at a time, and again in the backward pass.
    """

    def token_losses(part: Tensor, ids: Tensor) -> Tensor:
        return functional.cross_entropy(head(part).float(), ids, reduction="none")

    losses = [
        checkpoint(token_losses, part, ids, use_reentrant=False)
        for part, ids in zip(torch.split(hidden, chunk), torch.split(targets, chunk), strict=True)
    ]
    sums = torch.zeros(documents, dtype=torch.float32, device=hidden.device)
    return sums.index_add(0, document, torch.cat(losses))
