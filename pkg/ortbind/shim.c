#include "shim.h"

#include <dlfcn.h>

// message copies a status's text and frees the status; NULL stays NULL.
static char *message(const OrtApi *api, OrtStatus *status) {
  if (status == NULL) return NULL;
  char *text = strdup(api->GetErrorMessage(status));
  api->ReleaseStatus(status);
  return text;
}

char *bh_preload(const char *path) {
  return dlopen(path, RTLD_NOW | RTLD_GLOBAL) == NULL ? strdup(dlerror()) : NULL;
}

char *bh_load(const char *path, const OrtApi **api, OrtEnv **env, const char **version) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) return strdup(dlerror());
  const OrtApiBase *(*base)(void) = (const OrtApiBase *(*)(void))dlsym(library, "OrtGetApiBase");
  if (base == NULL) return strdup(dlerror());
  *version = base()->GetVersionString();
  *api = base()->GetApi(ORT_API_VERSION);
  if (*api == NULL) return strdup("it does not speak API 24");
  return message(*api, (*api)->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "bh", env));
}

char *bh_options(const OrtApi *api, int threads, int level, OrtSessionOptions **out) {
  OrtStatus *st = api->CreateSessionOptions(out);
  if (st == NULL) st = api->SetIntraOpNumThreads(*out, threads);
  if (st == NULL) st = api->SetInterOpNumThreads(*out, 1);
  if (st == NULL) st = api->SetSessionGraphOptimizationLevel(*out, (GraphOptimizationLevel)level);
  return message(api, st);
}

char *bh_options_config(const OrtApi *api, OrtSessionOptions *o, const char *key, const char *value) {
  return message(api, api->AddSessionConfigEntry(o, key, value));
}

char *bh_options_cuda(const OrtApi *api, OrtSessionOptions *o, const char *const *keys, const char *const *values, size_t n) {
  OrtCUDAProviderOptionsV2 *cuda = NULL;
  OrtStatus *st = api->CreateCUDAProviderOptions(&cuda);
  if (st == NULL) st = api->UpdateCUDAProviderOptions(cuda, keys, values, n);
  if (st == NULL) st = api->SessionOptionsAppendExecutionProvider_CUDA_V2(o, cuda);
  if (cuda != NULL) api->ReleaseCUDAProviderOptions(cuda);
  return message(api, st);
}

char *bh_options_tensorrt(const OrtApi *api, OrtSessionOptions *o, const char *const *keys, const char *const *values, size_t n) {
  OrtTensorRTProviderOptionsV2 *trt = NULL;
  OrtStatus *st = api->CreateTensorRTProviderOptions(&trt);
  if (st == NULL) st = api->UpdateTensorRTProviderOptions(trt, keys, values, n);
  if (st == NULL) st = api->SessionOptionsAppendExecutionProvider_TensorRT_V2(o, trt);
  if (trt != NULL) api->ReleaseTensorRTProviderOptions(trt);
  return message(api, st);
}

void bh_options_free(const OrtApi *api, OrtSessionOptions *o) { api->ReleaseSessionOptions(o); }

char *bh_session(const OrtApi *api, OrtEnv *env, const void *graph, size_t bytes, const OrtSessionOptions *o, OrtSession **out) {
  return message(api, api->CreateSessionFromArray(env, graph, bytes, o, out));
}

char *bh_assignment(const OrtApi *api, const OrtSession *s, bh_assigned **out, size_t *n) {
  const OrtEpAssignedSubgraph *const *graphs = NULL;
  size_t count = 0, room = 0;
  *out = NULL;
  *n = 0;
  OrtStatus *st = api->Session_GetEpGraphAssignmentInfo(s, &graphs, &count);
  for (size_t g = 0; g < count && st == NULL; g++) {
    const OrtEpAssignedNode *const *nodes = NULL;
    size_t more = 0;
    const char *provider = NULL;
    st = api->EpAssignedSubgraph_GetEpName(graphs[g], &provider);
    if (st == NULL) st = api->EpAssignedSubgraph_GetNodes(graphs[g], &nodes, &more);
    if (*n + more > room) {
      room = 2 * (*n + more);
      bh_assigned *grown = realloc(*out, room * sizeof(bh_assigned));
      if (grown == NULL) return strdup("out of memory");
      *out = grown;
    }
    for (size_t i = 0; i < more && st == NULL; i++) {
      bh_assigned *a = *out + *n;
      a->provider = provider;
      st = api->EpAssignedNode_GetName(nodes[i], &a->node);
      if (st == NULL) st = api->EpAssignedNode_GetOperatorType(nodes[i], &a->op);
      if (st == NULL) (*n)++;
    }
  }
  return message(api, st);
}

void bh_session_free(const OrtApi *api, OrtSession *s) { api->ReleaseSession(s); }

char *bh_memory(const OrtApi *api, const OrtSession *s, const char *name, int device, int type,
                OrtMemoryInfo **info, OrtAllocator **out) {
  OrtStatus *st = api->CreateMemoryInfo(name, OrtDeviceAllocator, device, (OrtMemType)type, info);
  if (st == NULL) st = api->CreateAllocator(s, *info, out);
  return message(api, st);
}

void bh_memory_free(const OrtApi *api, OrtMemoryInfo *info, OrtAllocator *a) {
  if (a != NULL) api->ReleaseAllocator(a);
  if (info != NULL) api->ReleaseMemoryInfo(info);
}

char *bh_alloc(const OrtApi *api, OrtAllocator *a, size_t bytes, void **out) {
  return message(api, api->AllocatorAlloc(a, bytes, out));
}

void bh_free(const OrtApi *api, OrtAllocator *a, void *p) {
  OrtStatus *st = api->AllocatorFree(a, p);
  if (st != NULL) api->ReleaseStatus(st);
}

char *bh_tensor(const OrtApi *api, const OrtMemoryInfo *info, void *p, size_t bytes, const int64_t *shape, size_t rank,
                int type, OrtValue **out) {
  return message(api, api->CreateTensorWithDataAsOrtValue(info, p, bytes, shape, rank, (ONNXTensorElementDataType)type, out));
}

void bh_tensor_free(const OrtApi *api, OrtValue *v) { api->ReleaseValue(v); }

char *bh_binding(const OrtApi *api, OrtSession *s, OrtIoBinding **out) { return message(api, api->CreateIoBinding(s, out)); }

char *bh_bind_input(const OrtApi *api, OrtIoBinding *b, const char *name, const OrtValue *v) {
  return message(api, api->BindInput(b, name, v));
}

char *bh_bind_output(const OrtApi *api, OrtIoBinding *b, const char *name, const OrtValue *v) {
  return message(api, api->BindOutput(b, name, v));
}

char *bh_run(const OrtApi *api, OrtSession *s, OrtIoBinding *b) {
  OrtStatus *st = api->RunWithBinding(s, NULL, b);
  if (st == NULL) st = api->SynchronizeBoundOutputs(b);
  return message(api, st);
}

void bh_binding_free(const OrtApi *api, OrtIoBinding *b) { api->ReleaseIoBinding(b); }
