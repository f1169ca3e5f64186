#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Prints the tables of docs/parity.md, the worst of all cases last; usage: parity.sh BUILD_DIR
"${1:-build}/tests/check_model" --verbose | awk '
    # the number after a word, for instance "latent"
    function after(word,    i) {
        for (i = 4; i < NF; i++)
            if ($i == word)
                return $(i + 1)
        return ""
    }
    function worse(a, b) { return a == "" || b + 0 > a + 0 ? b : a }
    function less(a, b) { return a == "" || b + 0 < a + 0 ? b : a }
    # dB above diffusers, with its sign
    function above(x) { return sprintf("%s %.1f dB", x < 0 ? "−" : "+", x < 0 ? -x : x) }
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
            embed = worse(embed, embeds[c])
            last = worse(last, latent[c])
            tap = worse(tap, taps[c])
            if (db[c] != "")
                picture = less(picture, db[c])
            if (bf16[c] != "" && theirs[c] != "") {
                pictures++
                sum += bf16[c] - theirs[c]
                least = less(least, bf16[c])
                loss = less(loss, bf16[c] - theirs[c])
            }
        }
        print ""
        print "| worst of all cases | measured |"
        print "|---|---|"
        printf "| prompt embedding | %.1e |\n| final latent | %.1e |\n", embed, last
        printf "| float picture | %.1f dB |\n| inner tensors | %.1e |\n", picture, tap
        if (pictures)
            printf "| bf16 picture, against diffusers’ own bf16 | %.1f dB, %s (on average %s, %d pictures) |\n", \
                least, above(loss), above(sum / pictures), pictures
    }'
