/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the cuda device says where there is no usable GPU, on a driver that does as it is told. */
#include "cuda_host/cuda_host.h"

#define NO_KERNEL_IMAGE 209
#define NO_DEVICE 100
#define INSUFFICIENT_DRIVER 35

static void
refuses(const char *which, const char *sentence)
{
    char *why = NULL;
    g_assert_null(cuda_host_open(which, &why));
    g_assert_cmpstr(why, ==, sentence);
    g_free(why);
}

static void
says_that_there_is_no_driver(void)
{
    cuda_host_reset();
    cuda_host.status = INSUFFICIENT_DRIVER;
    cuda_host.driver = 0;
    refuses("", "there is no NVIDIA driver on this machine; install one or choose cpu");
    g_assert_false(cuda_host_present());
}

static void
says_that_the_driver_is_too_old(void)
{
    cuda_host_reset();
    cuda_host.status = INSUFFICIENT_DRIVER;
    cuda_host.driver = 12040;
    refuses("", "the NVIDIA driver is for CUDA 12.4 and this build needs 13.0 or later; update the "
                "driver");
    g_assert_true(cuda_host_present());
}

static void
says_that_there_is_no_gpu(void)
{
    cuda_host_reset();
    cuda_host.status = NO_DEVICE;
    refuses("", "the NVIDIA driver finds no GPU; choose cpu");
    g_assert_false(cuda_host_present());
}

static void
says_that_the_gpu_is_too_old(void)
{
    cuda_host_reset();
    cuda_host.capability = 75;
    refuses("", "Processor has compute capability 7.5 and 8.0 is needed; choose cpu");
    refuses("0", "Processor has compute capability 7.5 and 8.0 is needed; choose cpu");
    g_assert_true(cuda_host_present());
}

static void
says_that_the_build_is_for_other_gpus(void)
{
    cuda_host_reset();
    cuda_host.code = NO_KERNEL_IMAGE;
    refuses("", "Processor has compute capability 9.0, which this build holds no code for; build "
                "with ptx in -Dgpu_archs");
}

static void
knows_gpus_by_number(void)
{
    char *why = NULL;
    cuda_host_reset();
    refuses("9", "this machine has 1 GPU, numbered from 0");
    refuses("-1", "\"-1\" is not the number of a GPU");
    refuses("0x", "\"0x\" is not the number of a GPU");
    cuda_host.gpus = 2;
    refuses("2", "this machine has 2 GPUs, numbered from 0");
    SanaDevice *dev = cuda_host_open("1", &why);
    g_assert_cmpstr(sana_device_name(dev), ==, "cuda:1");
    sana_device_unref(dev);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cuda-open/says_that_there_is_no_driver", says_that_there_is_no_driver);
    g_test_add_func("/cuda-open/says_that_the_driver_is_too_old", says_that_the_driver_is_too_old);
    g_test_add_func("/cuda-open/says_that_there_is_no_gpu", says_that_there_is_no_gpu);
    g_test_add_func("/cuda-open/says_that_the_gpu_is_too_old", says_that_the_gpu_is_too_old);
    g_test_add_func("/cuda-open/says_that_the_build_is_for_other_gpus",
                    says_that_the_build_is_for_other_gpus);
    g_test_add_func("/cuda-open/knows_gpus_by_number", knows_gpus_by_number);
    return g_test_run();
}
