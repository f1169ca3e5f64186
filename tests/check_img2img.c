/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* sanaimg2img with a model that computes nothing: flow, states, caps, pixels, values, live. */
#include "gst/gstsanaimg2img.h"
#include "tests/img2img.h"

int
main(int argc, char **argv)
{
    gst_init(&argc, &argv);
    g_test_init(&argc, &argv, NULL);
    g_assert_true(GST_ELEMENT_REGISTER(sanaimg2img, NULL));
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
