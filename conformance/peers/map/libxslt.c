/* libxslt in process, as a peer of the mapping engine: parse a document that is in memory, transform it, serialise the result, the stylesheet
 * compiled once.
 *
 *   cc -O2 libxslt.c $(pkg-config --cflags --libs libxslt libxml-2.0) -o libxslt
 *   ./libxslt STYLESHEET DOC…      then, a line on standard input each: NUMBER ROUNDS
 *
 * Answers each line with the nanoseconds of one document. ROUNDS 0: answers with the octets of the result, and the result. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <libxml/parser.h>
#include <libxslt/transform.h>
#include <libxslt/xsltInternals.h>
#include <libxslt/xsltutils.h>

static void fail(const char *what) {
    fprintf(stderr, "%s\n", what);
    exit(1);
}

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1e9 + t.tv_nsec;
}

static xmlChar *once(xmlParserCtxtPtr parser, xsltStylesheetPtr sheet, const char *octets, int length, int *made) {
    xmlDocPtr doc = xmlCtxtReadMemory(parser, octets, length, "doc.xml", NULL, XML_PARSE_NONET | XML_PARSE_COMPACT);
    xmlDocPtr result = doc ? xsltApplyStylesheet(sheet, doc, NULL) : NULL;
    xmlChar *text = NULL;
    if (!result || xsltSaveResultToString(&text, made, result, sheet) != 0) fail("not transformed");
    xmlFreeDoc(result);
    xmlFreeDoc(doc);
    return text;
}

int main(int count, char **words) {
    if (count < 3) fail("usage: libxslt STYLESHEET DOC...");
    xmlInitParser();
    xsltStylesheetPtr sheet = xsltParseStylesheetFile((const xmlChar *)words[1]);
    if (!sheet) fail("the stylesheet does not load");
    xmlParserCtxtPtr parser = xmlNewParserCtxt();
    char **octets = calloc(count, sizeof *octets);
    int *lengths = calloc(count, sizeof *lengths);
    for (int at = 2; at < count; at++) {
        FILE *file = fopen(words[at], "rb");
        if (!file) fail(words[at]);
        fseek(file, 0, SEEK_END);
        lengths[at] = (int)ftell(file);
        rewind(file);
        octets[at] = malloc(lengths[at]);
        if (fread(octets[at], 1, lengths[at], file) != (size_t)lengths[at]) fail(words[at]);
        fclose(file);
    }
    int number, made;
    long rounds;
    while (scanf("%d %ld", &number, &rounds) == 2 && number + 2 < count) {
        int at = number + 2;
        if (rounds == 0) {
            xmlChar *text = once(parser, sheet, octets[at], lengths[at], &made);
            printf("%d\n%.*s", made, made, text);
            xmlFree(text);
        } else {
            double start = now();
            for (long round = 0; round < rounds; round++) xmlFree(once(parser, sheet, octets[at], lengths[at], &made));
            printf("%.1f\n", (now() - start) / rounds);
        }
        fflush(stdout);
    }
    return 0;
}
