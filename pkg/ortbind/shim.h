// The part of ONNX Runtime's C API that package ortbind calls, one function for each thing it does. The API is a table of
// function pointers, which Go cannot call. Each function returns NULL, or a message that the caller frees.
#ifndef BH_ORTBIND_SHIM_H
#define BH_ORTBIND_SHIM_H

#include "include/onnxruntime_c_api.h"

typedef struct {
  const char *provider, *node, *op; // the session's own
} bh_assigned;

char *bh_preload(const char *path);
char *bh_load(const char *path, const OrtApi **api, OrtEnv **env, const char **version);

char *bh_options(const OrtApi *api, int threads, int level, OrtSessionOptions **out);
char *bh_options_config(const OrtApi *api, OrtSessionOptions *o, const char *key, const char *value);
char *bh_options_cuda(const OrtApi *api, OrtSessionOptions *o, const char *const *keys, const char *const *values, size_t n);
char *bh_options_tensorrt(const OrtApi *api, OrtSessionOptions *o, const char *const *keys, const char *const *values, size_t n);
void bh_options_free(const OrtApi *api, OrtSessionOptions *o);

char *bh_session(const OrtApi *api, OrtEnv *env, const void *graph, size_t bytes, const OrtSessionOptions *o, OrtSession **out);
char *bh_assignment(const OrtApi *api, const OrtSession *s, bh_assigned **out, size_t *n);
void bh_session_free(const OrtApi *api, OrtSession *s);

char *bh_memory(const OrtApi *api, const OrtSession *s, const char *name, int device, int type,
                OrtMemoryInfo **info, OrtAllocator **out);
void bh_memory_free(const OrtApi *api, OrtMemoryInfo *info, OrtAllocator *a);
char *bh_alloc(const OrtApi *api, OrtAllocator *a, size_t bytes, void **out);
void bh_free(const OrtApi *api, OrtAllocator *a, void *p);

char *bh_tensor(const OrtApi *api, const OrtMemoryInfo *info, void *p, size_t bytes, const int64_t *shape, size_t rank,
                int type, OrtValue **out);
void bh_tensor_free(const OrtApi *api, OrtValue *v);

char *bh_binding(const OrtApi *api, OrtSession *s, OrtIoBinding **out);
char *bh_bind_input(const OrtApi *api, OrtIoBinding *b, const char *name, const OrtValue *v);
char *bh_bind_output(const OrtApi *api, OrtIoBinding *b, const char *name, const OrtValue *v);
char *bh_run(const OrtApi *api, OrtSession *s, OrtIoBinding *b);
void bh_binding_free(const OrtApi *api, OrtIoBinding *b);

#endif
