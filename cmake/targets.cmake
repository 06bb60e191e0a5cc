# What every target of this project is compiled with: an interface target, no global flags.
add_library(cuteshm_options INTERFACE)
target_include_directories(cuteshm_options INTERFACE ${PROJECT_SOURCE_DIR}/src)
target_compile_definitions(cuteshm_options INTERFACE _GNU_SOURCE _FILE_OFFSET_BITS=64
                           CUTESHM_VERSION="${PROJECT_VERSION}")
target_compile_options(cuteshm_options INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wsign-conversion -Wformat=2 -Wundef
  $<$<COMPILE_LANGUAGE:C>:-Wstrict-prototypes -Wmissing-prototypes -Werror=implicit-function-declaration>
  -fvisibility=hidden -fno-strict-aliasing -fstack-protector-strong
  $<$<BOOL:${CUTESHM_WERROR}>:-Werror>)
if(CUTESHM_SANITIZE)
  target_compile_options(cuteshm_options INTERFACE
    -fsanitize=${CUTESHM_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(cuteshm_options INTERFACE -fsanitize=${CUTESHM_SANITIZE})
else()
  target_compile_definitions(cuteshm_options INTERFACE $<$<CONFIG:RelWithDebInfo>:_FORTIFY_SOURCE=2>)
endif()
if(CUTESHM_FUZZ)
  target_compile_options(cuteshm_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
