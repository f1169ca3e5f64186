/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sanaimg2img with a model that computes nothing: flow, states, caps, pixels, values, live. */
#include "tests/img2img.h"

int
main(int argc, char **argv)
{
    element_test_init(&argc, &argv);
    add_flow_tests();
    add_stop_tests();
    add_caps_tests();
    add_picture_tests();
    add_geometry_tests();
    add_blend_tests();
    add_colour_tests();
    add_buffer_tests();
    add_values_tests();
    add_live_tests();
    int status = g_test_run();
    gst_deinit();
    return status;
}
