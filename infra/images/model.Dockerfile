# The image of one model version: the image `serving` and a packaged model. `tidewheel image build` builds it.
ARG SERVING
FROM ${SERVING}
COPY bento /bento
