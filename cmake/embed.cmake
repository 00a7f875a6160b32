# Files as a C array: cmake -DOUT=files.c -DFOLDER=web -DFILES=index.html,style.css -P embed.cmake
# The first one is also what "/" asks for.
set(types_html "text/html; charset=utf-8")
set(types_css "text/css; charset=utf-8")
set(types_js "text/javascript; charset=utf-8")
set(types_svg "image/svg+xml")

string(REPLACE "," ";" files "${FILES}")
set(arrays "")
set(rows "")
set(number 0)
foreach(file ${files})
    file(READ "${FOLDER}/${file}" hex HEX)
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
    string(REGEX REPLACE "(0x[0-9a-f][0-9a-f],0x[0-9a-f][0-9a-f],0x[0-9a-f][0-9a-f],0x[0-9a-f][0-9a-f],0x[0-9a-f][0-9a-f],0x[0-9a-f][0-9a-f],0x[0-9a-f][0-9a-f],0x[0-9a-f][0-9a-f],)"
           "\\1\n" bytes "${bytes}")
    string(REGEX REPLACE ".*[.]" "" ending "${file}")
    string(APPEND arrays "static const unsigned char file_${number}[] = {\n${bytes}};\n")
    if(number EQUAL 0)
        string(APPEND rows "    {\"/\", \"${types_${ending}}\", file_0, sizeof(file_0)},\n")
    endif()
    string(APPEND rows "    {\"/${file}\", \"${types_${ending}}\", file_${number}, sizeof(file_${number})},\n")
    math(EXPR number "${number} + 1")
endforeach()
file(WRITE "${OUT}" "/* Made by cmake/embed.cmake from web/. */\n#include \"server/state.h\"\n\n${arrays}
const struct file_in_program server_files[] = {\n${rows}};
const size_t server_file_count = sizeof(server_files) / sizeof(server_files[0]);\n")
