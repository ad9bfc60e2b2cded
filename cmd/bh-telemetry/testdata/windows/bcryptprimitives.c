// The one function of bcryptprimitives.dll that Go's runtime needs; Wine has the file from version 9 on only.
#include <windows.h>
#include <ntsecapi.h>

__declspec(dllexport) BOOL WINAPI ProcessPrng(PBYTE data, SIZE_T n) { return RtlGenRandom(data, (ULONG)n); }
