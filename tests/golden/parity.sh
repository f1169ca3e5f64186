#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Prints the table of docs/parity.md; usage: parity.sh BUILD_DIR
"${1:-build}/tests/check_model" --verbose | awk '
    # the number after a word, for instance "latent"
    function after(word,    i) {
        for (i = 4; i < NF; i++)
            if ($i == word)
                return $(i + 1)
        return ""
    }
    function worse(a, b) { return a == "" || b + 0 > a + 0 ? b : a }
    /^# (cpu|reference) +(f32|bf16) / {
        if (!($4 in seen)) {
            seen[$4] = 1
            names[++n] = $4
        }
        if ($3 == "bf16") {
            bf16[$4] = after("picture")
            theirs[$4] = after("(diffusers")
            sub(/\)/, "", theirs[$4])
            next
        }
        embeds[$4] = worse(embeds[$4], after("embeds"))
        latent[$4] = worse(latent[$4], after("latent") after("output"))
        taps[$4] = worse(taps[$4], after("worst"))
        if (after("picture") != "" && (!($4 in db) || after("picture") + 0 < db[$4] + 0))
            db[$4] = after("picture")
    }
    END {
        print "| case | embedding | latent | inner tensors | picture, dB | bf16, dB | diffusers bf16, dB |"
        print "|---|---|---|---|---|---|---|"
        for (i = 1; i <= n; i++) {
            c = names[i]
            printf "| %s | %s | %s | %s | %s | %s | %s |\n", c, embeds[c], latent[c], \
                taps[c] == "0.0e+00" ? "" : taps[c], db[c], bf16[c], theirs[c]
        }
    }'
