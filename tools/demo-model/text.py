# SPDX-License-Identifier: LGPL-2.1-or-later
"""Prompts to embeddings, as the pipeline makes them."""
import torch
from transformers import DynamicCache

import prompts

LONGEST = 300    # rows that the pipeline keeps, the first among them


class Text:
    """Prompts (B) -> embeddings (B, T, 96) and mask (B, T): the first row and those from the
    instruction's last token on, which may be one with the prompt's first.  What comes before is
    the same for all, and is computed once."""

    def __init__(self, encoder, tokens, device):
        self.encoder, self.tokens, self.device = encoder, tokens, device
        self.prefix = tokens.encode(prompts.INSTRUCTION)[:-1]

    def ids(self, text):
        whole = self.tokens.encode(prompts.INSTRUCTION + text.lower().strip())
        assert whole[:len(self.prefix)] == self.prefix
        return whole[len(self.prefix):][:LONGEST - 1]

    def __call__(self, texts):
        ids = [self.ids(t) for t in texts]
        length = max(map(len, ids))
        padded = torch.tensor([i + [0] * (length - len(i)) for i in ids], device=self.device)
        mask = torch.tensor([[1] * len(i) + [0] * (length - len(i)) for i in ids],
                            device=self.device)
        before = DynamicCache()
        first = self.encoder(input_ids=torch.tensor([self.prefix], device=self.device),
                             past_key_values=before, use_cache=True)[0][:, :1]
        before.batch_repeat_interleave(len(ids))
        seen = mask.new_ones(len(ids), len(self.prefix))
        rest = self.encoder(input_ids=padded, attention_mask=torch.cat([seen, mask], 1),
                            past_key_values=before, use_cache=True)[0]
        return torch.cat([first.expand(len(ids), -1, -1), rest], 1), \
            torch.cat([mask.new_ones(len(ids), 1), mask], 1)
