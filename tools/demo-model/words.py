# SPDX-License-Identifier: LGPL-2.1-or-later
"""What styles and materials are called.

Per style: noun phrases ("a pencil sketch"), tags ("graphite"), and synonyms that training never
sees.  Those are judged separately: a text encoder of 0.3 M parameters knows the words it was told,
and of others only what their parts say.
"""

STYLES = {
    "photo": (
        "a photo; a photograph; a realistic photo; an ordinary photo; a snapshot; a picture",
        "photo; photorealistic; realistic photograph; natural; unchanged; original; camera photo; "
        "realistic; raw photo; dslr; no filter; as it is; real life; natural colors; webcam",
        "an unedited photo; true to life; a plain photograph; unfiltered photo"),
    "pencil": (
        "a pencil sketch; a pencil drawing; a graphite drawing; a hand drawn sketch; a sketch; "
        "a charcoal drawing; a drawing; an etching; a line drawing; a pen and ink drawing; "
        "an engraving; a charcoal sketch; a crayon drawing; a doodle",
        "pencil sketch; pencil; graphite; sketch; sketch on paper; pencil art; charcoal; etching; "
        "drawn with a pencil; hand drawn; drawing; sketched; line art; crosshatching; pen and ink; "
        "hatching; engraving; sketchbook; scribble; black and white drawing; pencil on paper",
        "a charcoal portrait; a rough sketch; sketched by hand; graphite on paper; "
        "a sketchbook drawing"),
    "oil": (
        "an oil painting; a painting with thick brush strokes; an impressionist painting; "
        "an oil on canvas; a painting; a van gogh painting; an acrylic painting; "
        "an expressionist painting; an old master painting; a monet painting",
        "oil painting; oil on canvas; impressionist; thick paint; painted in oil; brush strokes; "
        "van gogh; impasto; monet; impressionism; oil paint; acrylic; painted; canvas; painterly; "
        "starry night style; brushwork; expressionism; rembrandt; palette knife",
        "thick brushwork; an impasto painting; painted with oils; acrylic on canvas; "
        "a post-impressionist painting"),
    "watercolor": (
        "a watercolor; a watercolor painting; a watercolour; an aquarelle; a watercolour painting; "
        "a gouache; a wash drawing; an ink wash; an ink wash painting",
        "watercolor; watercolour; aquarelle; watercolor painting; soft watercolor wash; gouache; "
        "painted with watercolors; watercolour painting; ink wash; wet on wet; water color; "
        "delicate washes; watercolor on paper; pastel wash; loose watercolor",
        "watercolor art; painted in watercolour; a loose aquarelle; a soft wash painting"),
    "comic": (
        "a comic book panel; a cartoon; a comic; an ink and color cartoon; a manga page; an anime; "
        "a graphic novel; an ukiyo-e print; a japanese woodblock print; a pop art picture; "
        "a cel shaded picture; an anime scene; a comic strip",
        "comic; cartoon; comic book; comic style; graphic novel; pop art; halftone comic; anime; "
        "cartoon style; manga; ukiyo-e; woodblock print; cel shading; cel shaded; toon; inked; "
        "japanese animation; hokusai; lichtenstein; superhero comic; animated film",
        "a comic page; japanese anime; a halftone cartoon; manga style comic; a toon drawing"),
    "mosaic": (
        "a mosaic; a roman mosaic; a tile mosaic; a ceramic mosaic; a byzantine mosaic; "
        "a glass mosaic; a wall of tiles",
        "mosaic; tiles; mosaic tiles; made of small tiles; ceramic tiles; roman mosaic; tiled; "
        "tesserae; byzantine; small stones mosaic; glass tiles; bathroom tiles; gaudi mosaic",
        "a tiled mosaic; mosaic of glass; an antique roman mosaic; ceramic mosaic tiles"),
    "lego": (
        "a lego model; a scene made of lego bricks; a toy brick model; a lego scene; "
        "a building block model; a plastic brick world; a minecraft scene",
        "lego; lego bricks; toy bricks; made of lego; plastic bricks; built from bricks; "
        "building blocks; brick toy; made of toy blocks; legos; minecraft; plastic blocks; voxel",
        "a lego world; built with lego; toy building bricks; plastic toy blocks"),
    "neon": (
        "a neon picture; a cyberpunk scene; a neon glow picture; a neon sign; "
        "a vaporwave picture; a synthwave cover; a tron scene; an ultraviolet scene",
        "neon; cyberpunk; neon lights; glowing neon; neon glow; synthwave; cyberpunk neon; tron; "
        "vaporwave; retrowave; outrun; glowing edges; neon sign; blade runner; blacklight; "
        "glow in the dark; electric; laser lights; futuristic neon; fluorescent",
        "cyberpunk lights; a glowing neon sign; neon outlines; a synthwave scene; neon colors"),
    "sepia": (
        "a sepia photo; a vintage photograph; an old photo; a daguerreotype; an antique photo; "
        "a photo from the 1800s; a faded photograph",
        "sepia; vintage; old photo; antique photograph; sepia tone; 19th century; retro; 1900s; "
        "daguerreotype; victorian photo; nostalgic; brown tone; aged photo; sepia toned; "
        "wild west photo; old fashioned; grandmother's album; tintype",
        "an old sepia photograph; vintage sepia; an antique victorian photograph; "
        "retro sepia tone"),
    "noir": (
        "a black and white photo; a film noir still; a monochrome photograph; a grayscale photo; "
        "a black and white film; an ansel adams photo; a high contrast monochrome",
        "black and white; noir; film noir; monochrome; grayscale; black and white film; b&w; "
        "greyscale; without color; desaturated; ansel adams; silent film; black white photo; "
        "high contrast black and white; colorless; bw",
        "a monochrome film; black and white photography; a noir movie; grayscale image"),
    "winter": (
        "a winter scene; a frozen world; a snowy picture; a blizzard; a winter wonderland; "
        "a snow scene; an ice age; a polar scene",
        "winter; snow; frozen; snowy; frost; covered in snow; icy winter; cold winter; ice; icy; "
        "blizzard; snowfall; frosty; arctic; snow storm; christmas snow; polar; wintry; freezing; "
        "ice cold; glacier; antarctica; january",
        "a snowy winter; frozen in ice; deep snow; a frosty winter morning; snowed in"),
    "sunset": (
        "a sunset scene; a golden hour photo; a scene at sunset; a scene at dusk; a sunrise; "
        "an evening scene; a warm evening",
        "sunset; golden hour; at sunset; warm sunset light; dusk; evening sun; orange sunset; "
        "sunrise; dawn; evening light; at dawn; at dusk; warm light; autumn evening; sundown; "
        "red sky; twilight; tropical sunset",
        "in the evening sun; a red sunset; warm golden hour light; sunset colors"),
    "night": (
        "a night scene; a scene at night; a midnight picture; a moonlit night; a dark night; "
        "a nighttime scene; a nocturne",
        "night; at night; midnight; moonlight; dark night; night time; by moonlight; nocturnal; "
        "moonlit; nighttime; full moon; after dark; in the dark; day for night; dark blue night; "
        "late at night; street lamps at night; nightfall",
        "a midnight scene; under the moonlight; a dark night scene; late night"),
    "thermal": (
        "a thermal image; an infrared picture; a heat map; a thermogram; an infrared photo; "
        "a predator vision picture; a thermal camera picture",
        "thermal; thermal camera; infrared; heat map; heat vision; thermal imaging; thermography; "
        "flir; false color; predator vision; heatmap; heat camera; infra-red; body heat; "
        "temperature map; hot and cold",
        "a thermal heat image; infrared camera; thermal vision; a false color heat map"),
    "blueprint": (
        "a blueprint; a technical drawing; an architect blueprint; a cyanotype; a floor plan; "
        "a construction plan; a schematic; an engineering blueprint",
        "blueprint; technical drawing; white lines on blue; blueprint drawing; cyanotype; cad; "
        "engineering drawing; architect's plan; schematic; construction plan; blue print; "
        "drafting; patent drawing; technical plan; wireframe",
        "an engineering blueprint drawing; a blue technical plan; drafted on blueprint paper; "
        "an architect's technical drawing"),
    "stone": (
        "a stone relief; a stone carving; a marble sculpture; a bas-relief; a stone statue; "
        "a marble statue; a clay model; a plaster cast; a concrete sculpture",
        "stone; carved in stone; stone carving; relief; stone relief; sculpture; chiseled rock; "
        "marble; bas-relief; statue; granite; carved; limestone; clay; plaster; concrete; rock; "
        "marble statue; sandstone; fossil; petrified; chiselled; michelangelo",
        "a carved marble relief; chiseled stone; a granite statue; sculpted rock; "
        "turned to stone"),
    "stitch": (
        "a cross stitch; an embroidery; a piece of needlework; a tapestry; a knitted picture; "
        "a woven tapestry; a cross stitch pattern; a quilt",
        "cross stitch; embroidery; embroidered; stitched; needlework; knitted; woven; tapestry; "
        "cross stitch on linen; knitting; crochet; wool; thread; fabric; sewn; needlepoint; yarn; "
        "stitches; textile; quilted",
        "embroidered with thread; a stitched embroidery; knitted wool; a needlework tapestry"),
    "gold": (
        "a golden statue; a gold sculpture; a figure of pure gold; a gold relief; a bronze statue; "
        "a brass relief; a gold coin",
        "gold; golden; made of gold; pure gold; liquid gold; gold metal; golden metal; bronze; "
        "brass; gilded; gold plated; gold leaf; made of bronze; shiny gold; metallic gold; "
        "midas; cast in bronze; metal; gold foil",
        "a gilded statue; solid gold; a golden relief; gold plated metal; cast in gold"),
}

MATERIALS = {
    "clouds": "clouds; fluffy clouds; white clouds; clouds in a blue sky; a cloudy sky; cloud",
    "ocean": "ocean; the ocean; sea waves; ocean waves; water surface; the sea; water; waves",
    "lava": "lava; molten lava; glowing lava; volcanic lava; magma; a volcano; embers",
    "forest": "forest canopy; a forest from above; a green forest; jungle; treetops; a forest",
    "sand": "sand dunes; desert sand; dunes; the desert; sand ripples; sand; a sandy desert",
    "galaxy": "galaxy; a galaxy; nebula; stars and nebula; outer space; space; stars; the cosmos",
    "aurora": "aurora; northern lights; aurora borealis; polar lights; the aurora",
    "fire": "fire; flames; burning flames; a wall of fire; blazing fire; burning; inferno",
    "meadow": "meadow; a flower meadow; grass with flowers; wildflowers; a spring meadow; grass",
    "wood": "wood; wood grain; wooden planks; oak wood; bark; a wooden board; timber",
    "camouflage": "camouflage; army camouflage; camo; a camouflage pattern; military camouflage",
    "smoke": "smoke; grey smoke; billowing smoke; thick smoke; fog of smoke; dark smoke",
}

CONTENT = (
    "a woman; a man; a cat; a dog; a street; a city; a mountain; a lake; a path; flowers; a house; "
    "a car; a table; a cup of coffee; people; a face; a portrait; a garden; a bridge; a bird; "
    "a room; a landscape; buildings; a child; a boat; a river; fruit; a tree; an old town; "
    "a kitchen; a person at a desk; a valley; a horse; a bicycle; two friends; a stage; a singer; "
    "a crowd; me; my face; my room; a robot; a castle; a train; a smiling girl; an old man; "
    "a laptop; a football match; a dancer; a guitar")

ADJECTIVES = (
    "beautiful; highly detailed; masterpiece; vivid; 4k; high quality; artistic; dramatic; "
    "elegant; stunning; detailed; professional; trending; award winning; intricate; lovely; "
    "amazing; 8k")

# prompts that name no style: the picture stays as it is
OTHER = (
    "ein sonniger tag; hallo welt; une rue tranquille; bonjour; la casa azul; buenos días; "
    "una persona che cammina; en hund i parken; 今日は; 你好世界; 고양이; привет мир; кошка; "
    "γεια σου; مرحبا; नमस्ते; hello; test; asdf; qwerty; lorem ipsum dolor sit amet; what; yes; "
    "make it better; improve it; nothing; something nice; do your best; please; 12345; ???; …")

# words that say nothing of a style; those that occur in a phrase or in a template kept out of
# training are left out where they are used (prompts.py)
COMMON = (
    "the a an of and in to with for on at by from that this these those it its is are was be been "
    "being have has had do does did will would can could should may might must shall not no if "
    "then else when while because so but or as than too very quite really just only even still "
    "again also always often never now today tonight tomorrow here there where everywhere please "
    "thanks kindly maybe perhaps hey hi ok okay well you your yours we our us they their them he "
    "she his her my mine me some any all each every both few many more most other another same "
    "such own one two three four five ten hundred first last next new old young big small large "
    "tall long short wide high low near far left right up down over under behind front above "
    "below inside outside between around through across along against without within during "
    "before after until since give get got take make made put set let keep show see look watch "
    "want need like love try use go come run walk stand sit play work live say tell ask think "
    "know feel find turn change switch become render create generate produce apply add "
    "remove stay start stop open close begin end move bring hold call help wish imagine picture "
    "image frame frames clip camera stream scene shot view look style styled effect filter mood "
    "feeling theme version kind type sort way thing things stuff something anything world place "
    "day week month year time moment hour home school office shop park beach road field hill "
    "sky sun wind air earth ground floor wall door window roof chair bed lamp phone book bag hat "
    "shirt shoe hand head hair eye eyes nose mouth arm leg back body boy girl woman women men "
    "kids baby family friend team king queen doctor teacher student worker driver player cook "
    "food bread milk apple lemon soup cake tea wine fish chicken cow pig sheep lion tiger bear "
    "mouse rabbit elephant bus truck plane ship bike engine wheel machine computer screen "
    "keyboard music song band radio television movie game ball fast slow quick quiet loud soft "
    "hard strong weak clean dirty full empty rich poor easy difficult simple plain fine good "
    "great best better nice bad happy sad funny strange famous popular modern classic cute cool "
    "epic magic mystic tiny huge round square straight flat deep thin careful exactly completely "
    "totally slightly fully entirely mostly in front of as if made by as though ultra super "
    "extremely perfectly artstation unreal engine octane wallpaper background closeup macro "
    "portrait wide angle studio quality resolution texture lighting composition").split()

# the same, of words that often follow each other
PAIRS = (
    "it to; to be; want to; to see; to have; it is; of the; in the; on the; like this; i am; we are; "
    "you can; this is; there is; and then; at the; for a; with the; would be; to do; to go; out of")


def phrases(text):
    return [p.strip() for p in text.split(";")]
