/* Stands for NVIDIA's driver on a machine with two GPUs: what scripts/gpus.py asks of libcuda.so.1. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int cuInit(unsigned flags) {
  const char *status = getenv("SHELFMARK_TEST_STATUS");
  return status == NULL ? 0 : atoi(status);
}

int cuDriverGetVersion(int *version) {
  const char *given = getenv("SHELFMARK_TEST_VERSION");
  *version = given == NULL ? 12040 : atoi(given);
  return 0;
}

int cuDeviceGetCount(int *count) {
  const char *visible = getenv("CUDA_VISIBLE_DEVICES");
  *count = visible == NULL ? 2 : *visible == 0 ? 0 : strchr(visible, ',') ? 2 : 1;
  return 0;
}

int cuDeviceGet(int *device, int number) {
  const char *visible = getenv("CUDA_VISIBLE_DEVICES");
  *device = visible == NULL ? number : visible[2 * number] - '0';
  return 0;
}

int cuDeviceGetName(char *name, int length, int device) {
  snprintf(name, length, "GPU of a test");
  return 0;
}

int cuDeviceGetUuid(char *uuid, int device) {
  memset(uuid, device, 16);
  memcpy(uuid, getenv("SHELFMARK_TEST"), 8); /* another machine for each test */
  return 0;
}

int cuDeviceGetAttribute(int *value, int attribute, int device) {
  *value = attribute == 75 ? 8 : 6;
  return 0;
}
