/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Prompts between prompts.
 *
 * Embeddings have as many rows as their prompts have tokens, and a row cannot be there by half: a
 * mean of embeddings, or of their keys and values, jumps at one of its ends.  The answers of a
 * cross-attention have the shape of the picture whatever the prompt, so these are what is mixed.
 */
#include "pipelines/internal.h"

typedef struct {
    SanaPrompt *prompt;
    double weight;
} Part;

typedef struct {
    Part part[2 * SANA_MAX_BLEND];
    int count;
} Parts;

/* Adds `times` of what p is made of. */
static void
add_parts(Parts *parts, const SanaPrompt *p, double times)
{
    for (int i = 0; i < p->n_parts; i++) {
        int at = 0;
        while (at < parts->count && parts->part[at].prompt != p->parts[i])
            at++;
        if (at == parts->count)
            parts->part[parts->count++] = (Part){p->parts[i], 0};
        parts->part[at].weight += times * p->weights[i];
    }
}

static void
leave_out_weakest(Parts *parts)
{
    int weakest = 0;
    for (int i = 1; i < parts->count; i++)
        if (parts->part[i].weight < parts->part[weakest].weight)
            weakest = i;
    const double rest = 1 - parts->part[weakest].weight;
    parts->count--;
    for (int i = weakest; i < parts->count; i++)
        parts->part[i] = parts->part[i + 1];
    for (int i = 0; i < parts->count; i++)
        parts->part[i].weight /= rest;
}

SanaPrompt *
sana_prompt_blend(SanaPrompt *from, SanaPrompt *to, double weight, GError **error)
{
    if (from->model != to->model) {
        sana_error_settings(error, "the prompts to blend were encoded by different models; encode "
                                   "both with one");
        return NULL;
    }
    if (!(weight >= 0 && weight <= 1)) {
        sana_error_settings(error, "the weight of a blend is %g, but must be 0 to 1", weight);
        return NULL;
    }
    if (from == to || weight == 0)
        return sana_prompt_ref(from);
    if (weight == 1)
        return sana_prompt_ref(to);

    Parts parts = {0};
    add_parts(&parts, from, 1 - weight);
    add_parts(&parts, to, weight);
    while (parts.count > SANA_MAX_BLEND)
        leave_out_weakest(&parts);
    SanaPrompt *p = g_new0(SanaPrompt, 1);
    p->refs = 1;
    p->model = sana_model_ref(from->model);
    p->n_parts = parts.count;
    for (int i = 0; i < parts.count; i++) {
        p->parts[i] = sana_prompt_ref(parts.part[i].prompt);
        p->weights[i] = parts.part[i].weight;
    }
    return p;
}

void
sana_prompt_mix(const SanaPrompt *p, float *pairs)
{
    for (int i = 0; i < SANA_MAX_BLEND - 1; i++) {
        pairs[2 * i] = i == 0 ? (float)p->weights[0] : 1;
        pairs[2 * i + 1] = (float)p->weights[i + 1];
    }
}

gboolean
sana_prompt_same_parts(const SanaPrompt *a, const SanaPrompt *b)
{
    for (int i = 0; i < a->n_parts && a->n_parts == b->n_parts; i++)
        if (a->parts[i] != b->parts[i])
            return FALSE;
    return a->n_parts == b->n_parts;
}
