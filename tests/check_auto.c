/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * Which device "auto" is.  The environment says what there is (LD_LIBRARY_PATH: a driver's library,
 * SANA_MODULE_PATH: a module) and what then comes out: SANA_EXPECT a device's name, or
 * SANA_EXPECT_ERROR a part of the sentence that says why there is none.
 */
#include <gmodule.h>
#include <string.h>

#include "kernels/device.h"

static void
auto_is_what_the_machine_has(void)
{
    const char *expected = g_getenv("SANA_EXPECT"), *sentence = g_getenv("SANA_EXPECT_ERROR");
    GError *error = NULL;
    if (!expected && !sentence) {
        GModule *driver = g_module_open("libcuda.so.1", G_MODULE_BIND_LAZY);
        if (driver) {
            g_module_close(driver);
            g_test_skip("this machine has a driver");
            return;
        }
        expected = "cpu";
    }
    SanaDevice *dev = sana_device_open("auto", &error);
    if (expected) {
        g_assert_no_error(error);
        g_assert_cmpstr(sana_device_name(dev), ==, expected);
    } else {
        g_assert_error(error, SANA_DEVICE_ERROR, SANA_DEVICE_ERROR_MISSING);
        g_test_message("%s", error->message);
        g_assert_nonnull(strstr(error->message, sentence));
        g_clear_error(&error);
    }
    sana_device_unref(dev);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/auto/is-what-the-machine-has", auto_is_what_the_machine_has);
    return g_test_run();
}
